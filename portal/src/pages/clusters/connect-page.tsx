import { Code, Group, Paper, ScrollArea, SegmentedControl, Select, Stack, Tabs, Text } from '@mantine/core';
import { IconPlugConnected } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { AnchorLink } from '../../ui/links.tsx';
import { useState } from 'react';
import { credentialsQuery, topicsQuery } from '../../api/queries.ts';
import { CopyButton } from '../../ui/copy-button.tsx';
import { EmptyState } from '../../ui/states.tsx';
import { useCluster } from './cluster-layout.tsx';
import { snippetsOf } from './snippets.ts';

const DEFAULT_TOPIC = 'sensors';

/** Programs to paste, with the cluster's own addresses and user names in them. */
export function ConnectPage() {
  const cluster = useCluster();
  const credentials = useQuery(credentialsQuery(cluster.tenantId, cluster.id));
  const topics = useQuery(topicsQuery(cluster.tenantId, cluster.id));
  const [chosenUser, setUser] = useState<string | null>(null);
  const [chosenTopic, setTopic] = useState<string | null>(null);
  const [protocol, setProtocol] = useState<'MQTT' | 'Kafka'>('MQTT');
  const [label, setLabel] = useState<string | null>(null);

  const users = credentials.data?.map((credential) => credential.username) ?? [];
  const username = chosenUser ?? users[0] ?? `NAME@${cluster.key}`;
  const topicNames = topics.data?.map((topic) => topic.name) ?? [];
  const topic = chosenTopic ?? topicNames[0] ?? DEFAULT_TOPIC;
  const all = snippetsOf({
    mqtt: cluster.endpoints.mqtt,
    kafka: cluster.endpoints.kafka,
    username,
    password: 'PASSWORD',
    topic,
  });
  const snippets = all.filter((snippet) => snippet.protocol === protocol);
  const shown = snippets.find((snippet) => snippet.label === label) ?? snippets[0];
  if (all.length === 0) {
    return (
      <EmptyState icon={<IconPlugConnected size={28} />} title="Not reachable yet">
        The programs to connect with appear here as soon as the cluster has its addresses.
      </EmptyState>
    );
  }
  return (
    <Stack>
      {users.length === 0 && credentials.data && (
        <Text>
          First{' '}
          <AnchorLink to="/clusters/$clusterId/credentials" params={{ clusterId: cluster.id }}>
            create a credential
          </AnchorLink>
          ; its user name and password go where NAME and PASSWORD stand.
        </Text>
      )}
      {topicNames.length === 0 && topics.data && (
        <Text>
          Kafka reads and writes{' '}
          <AnchorLink to="/clusters/$clusterId/topics" params={{ clusterId: cluster.id }}>
            topics
          </AnchorLink>
          ; create one named {DEFAULT_TOPIC} to run these as they stand.
        </Text>
      )}
      <Group align="flex-end">
        <SegmentedControl
          aria-label="Protocol"
          data={['MQTT', 'Kafka']}
          value={protocol}
          onChange={(value) => setProtocol(value === 'Kafka' ? 'Kafka' : 'MQTT')}
        />
        {users.length > 0 && (
          <Select
            label="Credential"
            data={users}
            value={username}
            onChange={setUser}
            allowDeselect={false}
            w={{ base: '100%', sm: 260 }}
          />
        )}
        {topicNames.length > 0 && (
          <Select
            label="Topic"
            data={topicNames}
            value={topic}
            onChange={setTopic}
            allowDeselect={false}
            w={{ base: '100%', sm: 220 }}
          />
        )}
      </Group>
      {shown && (
        <Paper p="md">
          <Tabs value={shown.label} onChange={setLabel} variant="pills">
            <ScrollArea type="never" mb="md">
              <Tabs.List aria-label="Language or tool" style={{ flexWrap: 'nowrap' }}>
                {snippets.map((snippet) => (
                  <Tabs.Tab key={snippet.id} value={snippet.label}>
                    {snippet.label}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
            </ScrollArea>
            <Tabs.Panel value={shown.label}>
              <Group justify="space-between" mb="xs">
                <Text size="sm" c="dimmed">
                  Get it: <Code>{shown.install}</Code>
                </Text>
                <CopyButton text value={shown.code} label={`Copy ${shown.label} code`} />
              </Group>
              <Code block fz="sm" tabIndex={0} aria-label={`${shown.label} code`} style={{ overflowX: 'auto' }}>
                {shown.code}
              </Code>
            </Tabs.Panel>
          </Tabs>
        </Paper>
      )}
      <Text size="sm" c="dimmed">
        MQTT messages to {topic.replaceAll('.', '/')}/… are stored in the topic {topic} and read by Kafka clients;
        records produced to {topic} reach MQTT subscribers. Passwords are shown once, when a credential is made.
      </Text>
    </Stack>
  );
}
