import { Code, Paper, Table, Text } from '@mantine/core';
import type { SettingsChange } from '@robustmq/contracts';
import { changedText, pathText } from './settings-fields.ts';

/** What differs between two revisions: the place, and both sides. */
export function ChangesTable({ changes }: { changes: readonly SettingsChange[] }) {
  if (changes.length === 0) return <Text size="sm">Nothing differs.</Text>;
  const side = (change: SettingsChange, which: 'from' | 'to') => (
    <Code style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{changedText(change, which)}</Code>
  );
  return (
    <Paper>
      <Table.ScrollContainer minWidth={420} type="native" mah={360}>
        <Table aria-label="Changes" layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Setting</Table.Th>
              <Table.Th scope="col">Before</Table.Th>
              <Table.Th scope="col">After</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {changes.map((change) => (
              <Table.Tr key={change.path}>
                <Table.Th scope="row" fw={400} style={{ overflowWrap: 'anywhere' }}>
                  {pathText(change.path)}
                </Table.Th>
                <Table.Td>{side(change, 'from')}</Table.Td>
                <Table.Td>{side(change, 'to')}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}
