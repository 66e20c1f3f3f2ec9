import { z } from 'zod';
import { Operation, OperationPage, OperationsQuery } from '../rest/operations.ts';
import { IN_TENANT, tenantParams } from './paths.ts';
import type { Route } from './route.ts';

const read = { method: 'get', tag: 'operations', access: { permission: 'tenant:read' }, status: 200 } as const;
const operation = tenantParams.extend({ operationId: z.uuid() });

/** Writes that take a while, and writes that can be taken back. Their answers name theirs in the header `operation-id`. */
export const OPERATION_ROUTES = {
  listOperations: {
    ...{ ...read, path: `${IN_TENANT}/operations`, params: tenantParams, query: OperationsQuery },
    response: OperationPage,
    summary: 'Lists operations, newest first; `undoable=true`: what can be taken back now',
  },
  getOperation: {
    ...{ ...read, path: `${IN_TENANT}/operations/{operationId}`, params: operation, response: Operation },
    summary: 'Reads an operation: to be polled until its status is no longer `running`',
  },
  undoOperation: {
    ...{ method: 'post', path: `${IN_TENANT}/operations/{operationId}:undo`, tag: 'operations', params: operation },
    ...{ access: { permission: 'tenant:read' }, status: 200, response: Operation },
    dryRun: true,
    summary: 'Takes a write back within its window; asks for the permission the write asked for',
    problems: ['conflict', 'forbidden', 'name-taken', 'quota-exceeded'],
  },
} as const satisfies Record<string, Route>;
