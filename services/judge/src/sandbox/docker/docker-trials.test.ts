import { readSettings } from '@backsight/rpc';
import { describeConduct } from '../sandbox-conduct.js';
import { describeTrials } from '../sandbox-suite.js';
import { dockerCandidate, whyNoDocker } from './docker-candidate.js';
import { dockerSettings } from './settings.js';

const settings = readSettings(process.env, dockerSettings);
const candidate = dockerCandidate(settings, false);
describeTrials(candidate, whyNoDocker(settings));
describeConduct(candidate, whyNoDocker(settings));
