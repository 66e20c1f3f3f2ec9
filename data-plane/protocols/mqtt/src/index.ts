export { MqttServer, type MqttServerOptions } from './mqtt-server.ts';
export { MQTT_LIMITS, type MqttLimits } from './limits.ts';
