/** How many of its things one tenant may have. */
export const CLUSTERS_MAX = 50;
export const API_KEYS_MAX = 100;
export const ROLES_MAX = 100;
/** Open ones. */
export const INVITATIONS_MAX = 200;
export const WEBHOOKS_MAX = 20;
export const PROVIDERS_MAX = 5;
export const DOMAINS_MAX = 50;

/** How many one cluster may have. */
export const CREDENTIALS_MAX = 5_000;
export const CERTIFICATES_MAX = 10_000;
