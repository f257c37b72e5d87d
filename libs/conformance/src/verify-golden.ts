/** `npm run verify:golden`: holds the specification and the engine to the golden cases. Exits with 1 if any fails. */

import { loadGoldenCases } from './golden/golden-case.js';
import { summaryOf, verifyGolden } from './golden/verify.js';

const verdict = await verifyGolden(loadGoldenCases());
const failures = [...verdict.spec.failures, ...verdict.engine.failures];
process.stderr.write(failures.map((failure) => `${failure}\n`).join(''));
process.stdout.write(`${summaryOf(verdict)}\n`);
process.exitCode = failures.length > 0 || verdict.cases === 0 ? 1 : 0;
