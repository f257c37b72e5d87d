"""Every language there is, by name; bubblewrap's sandboxes import only the one that they need."""

from __future__ import annotations

from cpp_language import CPP
from javascript_language import JAVASCRIPT
from languages import Language
from python_language import PYTHON

LANGUAGES: dict[str, Language] = {"python": PYTHON, "cpp": CPP, "javascript": JAVASCRIPT}
