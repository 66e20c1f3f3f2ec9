/** Every bound of the MQTT server; each has a unit in its name. `node` may override any of them. */
export interface MqttLimits {
  /** Largest CONNECT packet: it is read before anybody is authenticated. */
  connectSizeBytesMax: number;
  /** Largest packet after CONNECT; announced as Maximum Packet Size, enforced from the fixed header. */
  packetSizeBytesMax: number;
  /** A transport must deliver its whole CONNECT within this time. */
  connectTimeoutMs: number;
  /** Connections one address may open per second, with a burst of two seconds; 0 = no limit. */
  connectsPerAddressPerSecondMax: number;
  /** Connections of one address that are open and not admitted yet; 0 = no limit. */
  pendingConnectsPerAddressMax: number;
  /** A connection that was ended is cut when its peer has not taken the last bytes by then. */
  closeTimeoutMs: number;
  /** Longest keep-alive granted to an MQTT 5 client (Server Keep Alive); 65535 grants all and allows none at all. */
  keepAliveSecondsMax: number;
  /** Longest client id, in bytes of UTF-8. */
  clientIdBytesMax: number;
  /** Topic aliases a client may set; announced. */
  topicAliasMax: number;
  /** Topic aliases set towards a client that allows them; its own maximum holds too. */
  topicAliasOutMax: number;
  /** QoS 1 and 2 publishes an MQTT 5 client may have open; announced as Receive Maximum. */
  receiveMax: number;
  /** QoS 1 and 2 messages in flight to one client; an MQTT 5 client may ask for less by its own Receive Maximum. */
  inFlightMax: number;
  /** QoS 1 and 2 messages that wait for the in-flight window of a session without an inbox; further ones are dropped. */
  pendingMessagesMax: number;
  /** The same in bytes. */
  pendingBytesMax: number;
  /** Bytes the kernel has not taken: above it QoS 0 messages for this client are dropped and QoS 1 and 2 wait. */
  writableBytesMax: number;
  /** The same, or half of what may wait pending: above it the publishers of its messages are slowed down. */
  readerSlowBytes: number;
  /** Longest pause of a publisher for slow readers at a time; bounds what one stuck reader does to others. */
  readerWaitMs: number;
  /** A slow reader that has taken and acknowledged nothing for this long is stuck: nobody slows down for it any more. */
  readerStuckMs: number;
  /** Longest time a publisher is not read from because of the cluster's ingress quota; then it is disconnected (0x96). */
  throttlePatienceMs: number;
  /** Longest pause at a time of a publisher for the cluster's egress quota, and of an inbox. */
  egressPauseMsMax: number;
  /** Acknowledgements that wait for commits: above it the publisher is not read from. */
  ackPendingMax: number;
  /** Bytes of publishes whose acknowledgement waits: above it the publisher is not read from. */
  ackPendingBytesMax: number;
  /** Topic filters of one SUBSCRIBE or UNSUBSCRIBE. */
  filtersPerPacketMax: number;
}

/** What a server uses unless told otherwise. */
export const MQTT_LIMITS: MqttLimits = {
  connectSizeBytesMax: 256 * 1024,
  packetSizeBytesMax: 16 * 1024 * 1024,
  connectTimeoutMs: 10_000,
  connectsPerAddressPerSecondMax: 10_000,
  pendingConnectsPerAddressMax: 10_000,
  closeTimeoutMs: 5_000,
  keepAliveSecondsMax: 65_535,
  clientIdBytesMax: 1024,
  topicAliasMax: 32,
  topicAliasOutMax: 32,
  receiveMax: 4096,
  inFlightMax: 4096,
  pendingMessagesMax: 100_000,
  pendingBytesMax: 16 * 1024 * 1024,
  writableBytesMax: 16 * 1024 * 1024,
  readerSlowBytes: 4 * 1024 * 1024,
  readerWaitMs: 100,
  readerStuckMs: 5_000,
  throttlePatienceMs: 10_000,
  egressPauseMsMax: 1_000,
  ackPendingMax: 8192,
  ackPendingBytesMax: 8 * 1024 * 1024,
  filtersPerPacketMax: 1024,
};
