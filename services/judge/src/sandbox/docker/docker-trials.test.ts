import { readSettings } from '@backsight/rpc';
import { describeTrials } from '../sandbox-suite.js';
import { dockerCandidate, whyNoDocker } from './docker-candidate.js';
import { dockerSettings } from './settings.js';

const settings = readSettings(process.env, dockerSettings);
describeTrials(dockerCandidate(settings, false), whyNoDocker(settings));
