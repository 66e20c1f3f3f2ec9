import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useState } from 'react';

const QUIET_MS = 300;

interface SearchFieldProps {
  readonly label: string;
  readonly placeholder?: string;
  readonly initial?: string;
  readonly onSearch: (text: string) => void;
}

/** A filter that is asked for when the typing pauses. */
export function SearchField({ label, placeholder, initial = '', onSearch }: SearchFieldProps) {
  const [text, setText] = useState(initial);
  const search = useDebouncedCallback(onSearch, QUIET_MS);
  return (
    <TextInput
      label={label}
      {...(placeholder === undefined ? {} : { placeholder })}
      value={text}
      onChange={({ currentTarget }) => {
        setText(currentTarget.value);
        search(currentTarget.value.trim());
      }}
      leftSection={<IconSearch size={16} aria-hidden />}
      maw="24rem"
      autoComplete="off"
      spellCheck={false}
    />
  );
}
