import { describeTrials } from './sandbox-suite.js';

await describeTrials('bubblewrap');
