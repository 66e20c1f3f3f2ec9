import { PublishRun } from '@robustmq/broker';

/** The run of an MQTT server, with what its receivers ask once per receiver and should not count again. */
export class MqttRun extends PublishRun {
  /** First byte of every packet of the run. */
  firstByte = 0;
  /** Topic + payload + user properties of all messages: what the usage counters see. */
  contentBytes = 0;
  /** Some message carries a Message Expiry Interval. */
  expires = false;
  /** QoS 0 receivers of a run that is long enough to share, so far. */
  receivers = 0;
  /** A copy of `[wireStart, wireEnd)` that receivers may share, made by the first that wants it. */
  shared: Buffer | null = null;

  override reset(): void {
    super.reset();
    this.contentBytes = 0;
    this.expires = false;
    this.receivers = 0;
    this.shared = null;
  }

  /** The wire bytes as one Buffer that outlives the call. */
  share(): Buffer {
    return (this.shared ??= Buffer.from(this.data.subarray(this.wireStart, this.wireEnd)));
  }
}
