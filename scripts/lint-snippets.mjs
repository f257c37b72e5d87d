/**
 * Lints texts as if they were files of this repository, with its own configuration, and writes no file:
 * a JSON array of `{ filePath, code }` on standard input, the messages of each as `{ ruleId, message }` on standard output.
 * Rules that need types are off, for a file that does not exist has none. Run from the repository's root.
 */
import { text } from 'node:stream/consumers';
import { createProjectGraphAsync } from '@nx/devkit';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

// Without a project graph the boundary rule skips every file and says nothing.
await createProjectGraphAsync({ exitOnError: true });

const eslint = new ESLint({
  overrideConfig: [
    {
      ...tseslint.configs.disableTypeChecked,
      files: ['**/*.ts'],
      languageOptions: { parserOptions: { projectService: false, program: null, project: false } },
    },
  ],
});

const snippets = JSON.parse(await text(process.stdin));
const findings = [];
for (const { filePath, code } of snippets) {
  const [result] = await eslint.lintText(code, { filePath });
  findings.push(result.messages.map(({ ruleId, message }) => ({ ruleId, message })));
}
process.stdout.write(JSON.stringify(findings));
