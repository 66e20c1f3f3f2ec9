import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useState } from 'react';

const SHOWN_MS = 2_000;

/** Copies also where the clipboard API is missing (plain HTTP on another host than localhost). */
async function copyText(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = value;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    const holder = document.activeElement?.closest('[role=dialog]') ?? document.body;
    holder.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Copies a text to the clipboard and says so. `label` names what is copied: "Copy password". */
export function CopyButton({ value, label, text = false }: { value: string; label: string; text?: boolean }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const icon = copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />;
  const copy = () => void copyText(value).then(setCopied);
  const color = copied ? 'teal' : 'gray';
  if (text) {
    return (
      <Button
        variant="default"
        size="xs"
        leftSection={icon}
        onClick={copy}
        aria-label={copied ? `${label}: copied` : label}
      >
        {copied ? 'Copied' : 'Copy'}
      </Button>
    );
  }
  return (
    <Tooltip label={copied ? 'Copied' : label}>
      <ActionIcon variant="subtle" color={color} onClick={copy} aria-label={copied ? `${label}: copied` : label}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
