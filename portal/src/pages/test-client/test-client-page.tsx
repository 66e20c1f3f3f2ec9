import {
  ActionIcon,
  Badge,
  Button,
  Checkbox,
  Code,
  Group,
  Paper,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { IconPlugConnected, IconX } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { useMay } from '../../api/session.ts';
import { EmptyState, ErrorState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import type { ShownMessage } from './message-buffer.ts';
import type { ConnectionState, Qos } from './mqtt-connection.ts';
import { useMqttClient } from './use-mqtt-client.ts';

type Client = ReturnType<typeof useMqttClient>;

const STATE: Record<ConnectionState, { color: string; text: string }> = {
  disconnected: { color: 'gray', text: 'Disconnected' },
  connecting: { color: 'blue', text: 'Connecting' },
  connected: { color: 'teal', text: 'Connected' },
  reconnecting: { color: 'orange', text: 'Reconnecting' },
};
const QOS = [
  { value: '0', label: 'QoS 0' },
  { value: '1', label: 'QoS 1' },
  { value: '2', label: 'QoS 2' },
];
const TIME = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

function QosSelect({ value, onChange }: { value: Qos; onChange: (qos: Qos) => void }) {
  return (
    <Select
      label="QoS"
      data={QOS}
      value={String(value)}
      onChange={(next) => onChange(Number(next) as Qos)}
      allowDeselect={false}
      w={100}
    />
  );
}

function Connection({ client, mayMake }: { client: Client; mayMake: boolean }) {
  const [own, setOwn] = useState(!mayMake);
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const { color, text } = STATE[client.state];
  const connected = client.state !== 'disconnected';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (connected) client.connection.release();
    else void client.connection.connect(own ? { username, password } : undefined);
  };
  return (
    <Paper p="lg" component="section" aria-label="Connection">
      <form onSubmit={submit}>
        <Stack>
          <Group justify="space-between">
            <Group gap="sm">
              <Title order={2} size="h4">
                Connection
              </Title>
              <Badge variant="light" color={color} tt="none" radius="sm" role="status">
                {text}
              </Badge>
            </Group>
            <Button
              type="submit"
              variant={connected ? 'default' : 'filled'}
              disabled={!connected && own && (username === '' || password === '')}
            >
              {connected ? 'Disconnect' : 'Connect'}
            </Button>
          </Group>
          {client.error !== null && <ErrorState error={client.error} title="Could not connect" />}
          {connected ? (
            <Text size="sm" c="dimmed">
              {client.username === '' ? (
                'Making a temporary credential…'
              ) : (
                <>
                  As <Code>{client.username}</Code>
                  {own ? '.' : ', a temporary credential that is deleted when you leave.'}
                </>
              )}
            </Text>
          ) : (
            <>
              <Checkbox
                label="Use a credential of my own"
                description={own ? undefined : 'Otherwise one is made for this visit and deleted when you leave.'}
                checked={own}
                disabled={!mayMake}
                onChange={(event) => setOwn(event.currentTarget.checked)}
              />
              {own && (
                <SimpleGrid cols={{ base: 1, sm: 2 }}>
                  <TextInput
                    label="User name"
                    autoComplete="off"
                    value={username}
                    onChange={(event) => setUsername(event.currentTarget.value)}
                  />
                  <PasswordInput
                    label="Password"
                    autoComplete="off"
                    value={password}
                    onChange={(event) => setPassword(event.currentTarget.value)}
                  />
                </SimpleGrid>
              )}
            </>
          )}
        </Stack>
      </form>
    </Paper>
  );
}

function Subscribe({ client }: { client: Client }) {
  const [filter, setFilter] = useState('#');
  const [qos, setQos] = useState<Qos>(1);
  const subscribe = useMutation({ mutationFn: () => client.connection.subscribe(filter, qos) });
  const disabled = client.state !== 'connected';
  return (
    <Paper p="lg" component="section" aria-label="Subscribe">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          subscribe.mutate();
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            Subscribe
          </Title>
          <Group align="flex-end" wrap="nowrap">
            <TextInput
              label="Topic filter"
              value={filter}
              onChange={(event) => setFilter(event.currentTarget.value)}
              style={{ flex: 1 }}
              autoComplete="off"
              spellCheck={false}
            />
            <QosSelect value={qos} onChange={setQos} />
          </Group>
          {subscribe.error && <ErrorState error={subscribe.error} />}
          <Group justify="space-between" align="flex-start">
            <Group gap="xs" role="list" aria-label="Subscriptions">
              {client.subscriptions.map((subscription) => (
                <Badge
                  key={subscription.filter}
                  role="listitem"
                  variant="light"
                  tt="none"
                  radius="sm"
                  size="lg"
                  rightSection={
                    <ActionIcon
                      size="xs"
                      variant="transparent"
                      aria-label={`Unsubscribe from ${subscription.filter}`}
                      onClick={() => void client.connection.unsubscribe(subscription.filter)}
                    >
                      <IconX size={12} aria-hidden />
                    </ActionIcon>
                  }
                >
                  {subscription.filter} · QoS {subscription.qos}
                </Badge>
              ))}
            </Group>
            <Button type="submit" disabled={disabled || filter === ''} loading={subscribe.isPending}>
              Subscribe
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

function Publish({ client }: { client: Client }) {
  const [topic, setTopic] = useState('sensors/1');
  const [payload, setPayload] = useState('hello');
  const [qos, setQos] = useState<Qos>(1);
  const [retain, setRetain] = useState(false);
  const publish = useMutation({ mutationFn: () => client.connection.publish(topic, payload, qos, retain) });
  const disabled = client.state !== 'connected';
  return (
    <Paper p="lg" component="section" aria-label="Publish">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          publish.mutate();
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            Publish
          </Title>
          <Group align="flex-end" wrap="nowrap">
            <TextInput
              label="Topic"
              value={topic}
              onChange={(event) => setTopic(event.currentTarget.value)}
              style={{ flex: 1 }}
              autoComplete="off"
              spellCheck={false}
            />
            <QosSelect value={qos} onChange={setQos} />
          </Group>
          <Textarea
            label="Message"
            value={payload}
            onChange={(event) => setPayload(event.currentTarget.value)}
            autosize
            minRows={2}
            maxRows={8}
          />
          {publish.error && <ErrorState error={publish.error} />}
          <Group justify="space-between">
            <Checkbox label="Retain" checked={retain} onChange={(event) => setRetain(event.currentTarget.checked)} />
            <Button type="submit" disabled={disabled || topic === ''} loading={publish.isPending}>
              Publish
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

function Message({ message }: { message: ShownMessage }) {
  return (
    <Paper p="sm" component="li">
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
          {message.topic}
        </Text>
        <Text size="xs" c="dimmed">
          {TIME.format(message.atMs)} · QoS {message.qos}
          {message.retain ? ' · retained' : ''} · {bytesText(message.sizeBytes)}
          {message.binary ? ' · binary' : ''}
        </Text>
      </Group>
      <Code
        block
        mt={6}
        mah={160}
        tabIndex={0}
        style={{ overflow: 'auto', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}
      >
        {message.text}
        {message.cut ? ' …' : ''}
      </Code>
    </Paper>
  );
}

function Messages({ client }: { client: Client }) {
  const { list, count, dropped } = client.messages;
  return (
    <section aria-label="Messages">
      <Group justify="space-between" mb="sm">
        <Group gap="sm">
          <Title order={2} size="h4">
            Messages
          </Title>
          <Text size="sm" c="dimmed" role="status">
            {countText(count)} received{dropped > 0 ? `, the newest ${countText(list.length)} shown` : ''}
          </Text>
        </Group>
        <Button variant="default" size="xs" onClick={client.connection.clear} disabled={count === 0}>
          Clear
        </Button>
      </Group>
      {list.length === 0 ? (
        <Paper p="xl">
          <Text c="dimmed" ta="center">
            {client.state === 'connected'
              ? 'Subscribe to a topic filter, then publish something, here or from any client.'
              : 'Connect first. Messages appear here as they come.'}
          </Text>
        </Paper>
      ) : (
        <Stack
          gap="xs"
          component="ul"
          style={{ listStyle: 'none', padding: 0, margin: 0 }}
          aria-label="Received messages"
        >
          {list.map((message) => (
            <Message key={message.number} message={message} />
          ))}
        </Stack>
      )}
    </section>
  );
}

function TestClient() {
  const cluster = useCluster();
  const client = useMqttClient(cluster);
  return (
    <Stack gap="lg">
      <Connection client={client} mayMake={useMay('developer')} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Subscribe client={client} />
        <Publish client={client} />
      </SimpleGrid>
      <Messages client={client} />
    </Stack>
  );
}

/** An MQTT client in the browser, over the cluster's WebSocket endpoint. */
export function TestClientPage() {
  const cluster = useCluster();
  if (cluster.endpoints.mqttWs === undefined) {
    return (
      <EmptyState icon={<IconPlugConnected size={28} />} title="Not reachable yet">
        The test client can connect as soon as the cluster has its addresses.
      </EmptyState>
    );
  }
  return <TestClient key={cluster.id} />;
}
