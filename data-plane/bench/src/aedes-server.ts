import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';

/** The aedes peer: its defaults, one process. Arguments: port, and for TLS the files of certificate and key. */
const [port, certFile, keyFile] = process.argv.slice(2);
const broker = await Aedes.createBroker();
// a load client that goes away mid-write is not worth a crash
broker.on('clientError', () => {});
broker.on('connectionError', () => {});
const server =
  certFile === undefined
    ? createServer(broker.handle)
    : createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile!) }, broker.handle);
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
