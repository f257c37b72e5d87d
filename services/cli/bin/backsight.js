#!/usr/bin/env node
/** The command that npm links at install, before there is anything built to link to. */
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write('backsight is not built yet: run npm run build\n');
  process.exitCode = 1;
}
