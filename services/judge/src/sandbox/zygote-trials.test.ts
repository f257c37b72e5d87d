import { slotCandidate, whyNot } from './candidate.js';
import { describeTrials } from './sandbox-suite.js';

const candidate = slotCandidate('zygote');
describeTrials(candidate, await whyNot(candidate));
