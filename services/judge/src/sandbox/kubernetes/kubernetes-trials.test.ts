import { whyNot } from '../candidate.js';
import { describeTrials } from '../sandbox-suite.js';
import { kubernetesCandidate } from './kubernetes-candidate.js';

const candidate = kubernetesCandidate();
describeTrials(candidate, await whyNot(candidate));
