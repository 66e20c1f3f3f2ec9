import { Badge, Loader } from '@mantine/core';
import type { Cluster } from '@robustmq/client';

type Phase = Cluster['phase'];

const COLOR: Record<Phase, string> = {
  Pending: 'gray',
  Provisioning: 'blue',
  Ready: 'teal',
  Updating: 'blue',
  Pausing: 'gray',
  Paused: 'gray',
  Resuming: 'blue',
  Suspended: 'orange',
  Deleting: 'orange',
  Deleted: 'gray',
  Failed: 'red',
};
const MOVING: readonly Phase[] = ['Pending', 'Provisioning', 'Updating', 'Pausing', 'Resuming', 'Deleting'];

/** A cluster's phase in a colour, and moving while it is about to change. */
export function StatusBadge({ phase }: { phase: Phase }) {
  return (
    <Badge
      variant="light"
      color={COLOR[phase]}
      tt="none"
      size="lg"
      radius="sm"
      leftSection={
        MOVING.includes(phase) ? (
          <Loader size={10} color={COLOR[phase]} aria-hidden />
        ) : (
          <span
            aria-hidden
            style={{
              display: 'inline-block',
              width: 8,
              height: 8,
              borderRadius: 4,
              background: `var(--mantine-color-${COLOR[phase]}-filled)`,
            }}
          />
        )
      }
    >
      {phase}
    </Badge>
  );
}
