const HOUR_MS = 3600_000;

/** Until when a write of now can be taken back, where nothing else is said: a day, or `hours`. */
export const undoUntil = (hours = 24): Date => new Date(Date.now() + hours * HOUR_MS);
