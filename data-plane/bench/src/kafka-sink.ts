import { createServer, Socket } from 'node:net';
import { crc32c } from '@node-rs/crc32';

/**
 * The loopback sink: what a single-threaded Kafka server in Node cannot do without. Requests are assembled where they are
 * read to; a Produce v7 has its batch's CRC-32C checked and the batch copied into a ring of memory; a Fetch v4 is answered
 * with 1 MiB of that ring, sent from where it lies; SASL succeeds. It looks up no topic, asks no rule, keeps no offsets,
 * counts nothing, stores nothing on a disk. One write of gathered answers per read.
 */
const RING_BYTES = 64 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 64 * 1024;
const ring = Buffer.alloc(RING_BYTES);
let ringAt = 0;
/** Whole batches at the front of the ring that a Fetch is answered with, and their records. */
let served = 0;
let offset = 0;
const FETCH_BYTES = 1024 * 1024;
const NAME = 8;
const FETCH = 1;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
  // as in node/src/transports/tcp.ts: reads into a buffer of the connection's own
  const holder = accepted as unknown as { _handle: object | null };
  const handle = holder._handle;
  holder._handle = null;
  accepted.destroy();
  serve(handle!);
}).listen(Number(process.argv[2]), '127.0.0.1');

function serve(handle: object): void {
  let buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  let fill = 0;
  const onread = {
    buffer: () => buffer.subarray(fill),
    callback: (read: number): boolean => {
      fill += read;
      let at = 0;
      let wanted = 0;
      socket.cork();
      while (at + 4 <= fill) {
        const size = buffer.readInt32BE(at);
        if (at + 4 + size > fill) {
          wanted = 4 + size;
          break;
        }
        answer(socket, buffer.subarray(at + 4, at + 4 + size));
        at += 4 + size;
      }
      socket.uncork();
      const rest = fill - at;
      if (wanted > buffer.length) {
        const grown = Buffer.allocUnsafeSlow(wanted);
        buffer.copy(grown, 0, at, fill);
        buffer = grown;
      } else if (at > 0 && rest > 0) buffer.copyWithin(0, at, fill);
      fill = rest;
      return true;
    },
  };
  const socket: Socket = new Socket({ handle, onread } as object);
  socket.on('error', () => {});
  socket.resume();
}

function answer(socket: Socket, request: Buffer): void {
  const apiKey = request.readInt16BE(0);
  const body =
    apiKey === SASL_HANDSHAKE
      ? Buffer.from([0, 0, 0, 0, 0, 1, 0, 5, ...Buffer.from('PLAIN')])
      : apiKey === SASL_AUTHENTICATE
        ? Buffer.from([0, 0, 255, 255, 0, 0, 0, 0])
        : apiKey === FETCH
          ? fetchAnswer()
          : produceAnswer(request);
  const head = Buffer.allocUnsafe(8);
  const records = apiKey === FETCH ? served : 0;
  head.writeInt32BE(4 + body.length + records);
  request.copy(head, 4, 4, 8);
  socket.write(Buffer.concat([head, body]));
  if (records > 0) socket.write(ring.subarray(0, records));
}

/** Of the request: the batch of its one partition. Answers one topic, one partition, no error, throttle 0. */
function produceAnswer(request: Buffer): Buffer {
  // header: key 2, version 2, correlation 4, client id; transactional id 2, acks 2, timeout 4, topics 4, name, partitions 4, index 4, size 4
  let at = NAME + 2 + request.readInt16BE(NAME) + 2 + 2 + 4 + 4;
  const nameBytes = request.readInt16BE(at);
  const name = request.subarray(at, at + 2 + nameBytes);
  at += 2 + nameBytes + 4 + 4 + 4;
  const batch = request.subarray(at);
  const isWhole = crc32c(batch.subarray(21)) >>> 0 === batch.readUInt32BE(17);
  if (ringAt + batch.length > RING_BYTES) ringAt = 0;
  batch.copy(ring, ringAt);
  ring.writeBigInt64BE(BigInt(offset), ringAt);
  ringAt += batch.length;
  if (served + batch.length <= FETCH_BYTES && ringAt === served + batch.length) served = ringAt;
  const body = Buffer.alloc(4 + name.length + 4 + 4 + 2 + 8 + 8 + 8 + 4);
  body.writeInt32BE(1, 0);
  name.copy(body, 4);
  at = 4 + name.length;
  body.writeInt32BE(1, at);
  body.writeInt16BE(isWhole ? 0 : 2, at + 8);
  body.writeBigInt64BE(BigInt(offset), at + 10);
  offset += batch.readInt32BE(57);
  return body;
}

/** One topic, one partition, no error; the records follow. */
function fetchAnswer(): Buffer {
  const name = Buffer.from([0, 5, ...Buffer.from('bench')]);
  const body = Buffer.alloc(4 + 4 + name.length + 4 + 4 + 2 + 8 + 8 + 4 + 4);
  body.writeInt32BE(1, 4);
  name.copy(body, 8);
  const at = 8 + name.length;
  body.writeInt32BE(1, at);
  body.writeBigInt64BE(BigInt(offset), at + 10);
  body.writeInt32BE(-1, at + 26);
  body.writeInt32BE(served, at + 30);
  return body;
}
