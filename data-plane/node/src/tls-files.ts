import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { NodeError } from './node-error.ts';

/** Certificate chain and key of one listener, read and checked. Throws NodeError `tls-unreadable`. */
export function readTlsFiles(listener: string, files: { certFile: string; keyFile: string }): TlsOptions {
  const cert = readPem(listener, 'certFile', files.certFile);
  const key = readPem(listener, 'keyFile', files.keyFile);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError(
      'tls-unreadable',
      `listeners.${listener}.tls: ${files.certFile} and ${files.keyFile} do not make a certificate with its key (${reason})`,
      { cause },
    );
  }
  return { cert, key, minVersion: 'TLSv1.2' };
}

function readPem(listener: string, key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('tls-unreadable', `listeners.${listener}.tls.${key}: ${file} cannot be read (${reason})`, {
      cause,
    });
  }
}
