"""Every language there is, by name; bubblewrap's sandboxes import only the one that they need."""

from __future__ import annotations

from cpp_language import CPP
from go_language import GO
from java_language import JAVA
from javascript_language import JAVASCRIPT
from languages import Language
from python_language import PYTHON
from rust_language import RUST

LANGUAGES: dict[str, Language] = {
    "python": PYTHON,
    "cpp": CPP,
    "javascript": JAVASCRIPT,
    "java": JAVA,
    "rust": RUST,
    "go": GO,
}
