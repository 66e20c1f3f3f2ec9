import { z } from 'zod';

export const Plan = z.enum(['serverless', 'dedicated', 'byoc']);
export type Plan = z.infer<typeof Plan>;

/** Hard limits of one cluster. Every number is enforced in the data plane; units are spelled in the names. */
export const Quotas = z.object({
  connectionsMax: z.int().nonnegative(),
  connectionRatePerSecondMax: z.int().positive(),
  ingressBytesPerSecondMax: z.int().positive(),
  egressBytesPerSecondMax: z.int().positive(),
  topicsMax: z.int().nonnegative(),
  partitionsMax: z.int().nonnegative(),
  sessionsMax: z.int().nonnegative(),
  messageSizeBytesMax: z.int().positive(),
  storageBytesMax: z.int().positive(),
  inboxBytesMax: z.int().positive(),
});
export type Quotas = z.infer<typeof Quotas>;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** The quotas a new cluster starts with; a tenant's override replaces single numbers. */
export const DEFAULT_QUOTAS: Record<Plan, Quotas> = {
  serverless: {
    connectionsMax: 50_000,
    connectionRatePerSecondMax: 2_000,
    ingressBytesPerSecondMax: 256 * MIB,
    egressBytesPerSecondMax: 512 * MIB,
    topicsMax: 1_000,
    partitionsMax: 4_000,
    sessionsMax: 100_000,
    messageSizeBytesMax: 8 * MIB,
    storageBytesMax: 20 * GIB,
    inboxBytesMax: GIB,
  },
  dedicated: {
    connectionsMax: 200_000,
    connectionRatePerSecondMax: 10_000,
    ingressBytesPerSecondMax: GIB,
    egressBytesPerSecondMax: 2 * GIB,
    topicsMax: 10_000,
    partitionsMax: 20_000,
    sessionsMax: 1_000_000,
    messageSizeBytesMax: 64 * MIB,
    storageBytesMax: 200 * GIB,
    inboxBytesMax: 10 * GIB,
  },
  byoc: {
    connectionsMax: 1_000_000,
    connectionRatePerSecondMax: 50_000,
    ingressBytesPerSecondMax: 10 * GIB,
    egressBytesPerSecondMax: 10 * GIB,
    topicsMax: 100_000,
    partitionsMax: 100_000,
    sessionsMax: 5_000_000,
    messageSizeBytesMax: 64 * MIB,
    storageBytesMax: 2_000 * GIB,
    inboxBytesMax: 100 * GIB,
  },
};
