import { configureGlobal } from 'fast-check';

/**
 * Property tests run the same cases every time, so that main is as green tomorrow as today. `ROBUSTMQ_SEED=N` tries
 * others, `ROBUSTMQ_SEED=random` new ones each run; a failure prints the seed that found it.
 */
const FIXED_SEED = 20_261_122;
const wanted = process.env['ROBUSTMQ_SEED'];
if (wanted !== 'random') configureGlobal({ seed: wanted === undefined ? FIXED_SEED : Number(wanted) });
