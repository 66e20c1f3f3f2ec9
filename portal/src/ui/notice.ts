import { notifications } from '@mantine/notifications';

/** Says in a corner that something was done; screen readers finish their sentence first. */
export const notice = (message: string): void => void notifications.show({ message, role: 'status' });
