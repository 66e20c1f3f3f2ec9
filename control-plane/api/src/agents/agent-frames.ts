import type { ServerDuplexStream } from '@grpc/grpc-js';

/** Messages of agent-link.proto as proto-loader hands them over (`longs: Number`, `oneofs`, `defaults`). */
export interface EnrollRequest {
  readonly joinToken: string;
  readonly publicKeyPem: string;
  readonly agentVersion: string;
  readonly signature: string;
}
export interface EnrollReply {
  readonly agentId: string;
  readonly epoch: number;
  readonly controlPublicKeyPem: string;
  readonly region: string;
}
export interface LinkCertificatesRequest {
  readonly nonce: string;
}
export interface LinkCertificatesReply {
  readonly fingerprintsJson: string;
  readonly signature: string;
}
export interface AuthenticateRequest {
  readonly agentId: string;
  readonly epoch: number;
  readonly issuedAtMs: number;
  readonly nonce: string;
  readonly signature: string;
}
export interface AuthenticateReply {
  readonly accessToken: string;
  readonly expiresAtMs: number;
}
export interface Hello {
  readonly agentId: string;
  readonly epoch: number;
  readonly agentVersion: string;
  readonly haveVersion: number;
  readonly endpointsJson: string;
}
export interface StatusReport {
  readonly version: number;
  readonly namespacesJson: string;
  /** AgentObserved; empty where the agent does not say. */
  readonly agentJson?: string;
}
export interface StateUpdate {
  readonly version: number;
  readonly desiredJson: string;
  readonly signature: string;
}
export interface PullStateRequest {
  readonly haveVersion: number;
  readonly endpointsJson: string;
}
export interface UsageBatch {
  readonly seq: number;
  readonly windowsJson: string;
  readonly signature: string;
}
export interface UsageAck {
  readonly seq: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
}
export interface AgentFrame {
  readonly hello?: Hello | null;
  readonly status?: StatusReport | null;
  readonly lease?: { readonly seq: number; readonly agentTimeMs: number } | null;
  readonly applied?: { readonly version: number; readonly error: string } | null;
  readonly viewReply?: { readonly id: string; readonly replyJson: string; readonly errorJson: string } | null;
}
export interface ControlFrame {
  readonly state?: StateUpdate;
  readonly superseded?: { readonly byEpoch: number };
  readonly leaseAck?: { readonly seq: number; readonly latestVersion: number };
  readonly viewRequest?: {
    readonly id: string;
    readonly clusterId: string;
    readonly view: string;
    readonly queryJson: string;
  };
}
export type SessionCall = ServerDuplexStream<AgentFrame, ControlFrame>;
