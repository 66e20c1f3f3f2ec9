import { Cluster, ClusterPlan, CreateClusterBody, UpdateClusterBody } from '../rest/clusters.ts';
import { clusterParams, IN_CLUSTER, IN_TENANT, tenantParams } from './paths.ts';
import { ClusterQuotas, PlanChange, PlanChangeBody, SoftLimitsBody } from '../rest/quotas.ts';
import type { Route } from './route.ts';

const change = { method: 'post', tag: 'clusters', params: clusterParams, status: 200, response: Cluster } as const;

/** A cluster's life after it was made. */
export const CLUSTER_LIFE_ROUTES = {
  planCluster: {
    ...{ method: 'post', path: `${IN_TENANT}/cluster-plans`, tag: 'clusters', params: tenantParams },
    ...{ access: { permission: 'cluster:create' }, body: CreateClusterBody, status: 200, response: ClusterPlan },
    summary: 'Dry run of createCluster: whether it would be made, what is left, and what it costs; changes nothing',
    problems: ['name-taken', 'quota-exceeded'],
  },
  planClusterChange: {
    ...{ method: 'post', path: `${IN_CLUSTER}:plan`, tag: 'clusters', params: clusterParams },
    ...{ access: { permission: 'cluster:write' }, body: PlanChangeBody, status: 200, response: PlanChange },
    summary: 'Dry run of a change of plan, up or down: what does not fit, limits and prices; changes nothing',
  },
  getClusterQuotas: {
    ...{ method: 'get', path: `${IN_CLUSTER}/quotas`, tag: 'clusters', params: clusterParams },
    ...{ access: { permission: 'cluster:read' }, status: 200, response: ClusterQuotas },
    summary: 'Limits with where each comes from, what is used, and warnings',
  },
  setSoftLimits: {
    ...{ method: 'put', path: `${IN_CLUSTER}/quotas/soft-limits`, tag: 'clusters', params: clusterParams },
    ...{ access: { permission: 'cluster:write' }, body: SoftLimitsBody, status: 200, response: ClusterQuotas },
    dryRun: true,
    summary: 'Sets from where on warnings are given; nothing is refused there',
  },
  updateCluster: {
    ...{ ...change, method: 'patch', path: IN_CLUSTER, access: { permission: 'cluster:write' } },
    ...{ body: UpdateClusterBody, etag: 'version' },
    dryRun: true,
    summary: 'Renames, labels, protects, or changes the plan; what does not fit the new plan is listed (409)',
    problems: ['conflict', 'name-taken', 'forbidden'],
  },
  pauseCluster: {
    ...{ ...change, path: `${IN_CLUSTER}:pause`, access: { permission: 'cluster:write' } },
    dryRun: true,
    summary: 'Refuses clients and keeps data and addresses',
    problems: ['conflict'],
  },
  resumeCluster: {
    ...{ ...change, path: `${IN_CLUSTER}:resume`, access: { permission: 'cluster:write' } },
    dryRun: true,
    summary: 'Serves again what was paused',
    problems: ['conflict'],
  },
  restoreCluster: {
    ...{ ...change, path: `${IN_CLUSTER}:restore`, access: { permission: 'cluster:delete' } },
    dryRun: true,
    summary: 'Takes a deletion back within its restore window, with data, credentials and addresses',
    problems: ['conflict', 'name-taken'],
  },
} as const satisfies Record<string, Route>;
