import { slotCandidate, whyNot } from './candidate.js';
import { describeTrials } from './sandbox-suite.js';

const candidate = slotCandidate('bubblewrap');
describeTrials(candidate, await whyNot(candidate));
