export { Agent, AGENT_VERSION } from './agent.ts';
export { readAgentConfig, type AgentConfig } from './agent-config.ts';
export { AgentError, AGENT_ERRORS, type AgentErrorCode } from './agent-error.ts';
