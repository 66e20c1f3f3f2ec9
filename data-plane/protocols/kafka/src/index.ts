export { KafkaServer, type Advertised, type KafkaServerOptions } from './server.ts';
export { DEFAULT_LIMITS, type KafkaLimits } from './limits.ts';
export type { LiveGroup } from './world.ts';
