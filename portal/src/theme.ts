import { createTheme, type MantineColorsTuple } from '@mantine/core';
import { catchLostFocus, FOCUS_RETURN_MS } from './ui/lost-focus.ts';

const brand: MantineColorsTuple = [
  '#eef2ff',
  '#dbe4ff',
  '#bac8ff',
  '#91a7ff',
  '#748ffc',
  '#5c7cfa',
  '#4263eb',
  '#3b5bdb',
  '#364fc7',
  '#2b3f9e',
];

/** The look of every page: one brand colour, the system's typeface, contrast of at least 4.5:1 in both schemes. */
export const theme = createTheme({
  colors: { brand },
  primaryColor: 'brand',
  primaryShade: { light: 7, dark: 6 },
  autoContrast: true,
  luminanceThreshold: 0.3,
  defaultRadius: 'md',
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: '650' },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Table: { defaultProps: { verticalSpacing: 'sm', horizontalSpacing: 'md' } },
    Modal: {
      defaultProps: {
        centered: true,
        closeButtonProps: { 'aria-label': 'Close' },
        onExitTransitionEnd: () => setTimeout(catchLostFocus, FOCUS_RETURN_MS),
      },
      styles: { title: { fontWeight: 650, overflowWrap: 'anywhere' } },
    },
    // A badge is a word: it never shrinks to its first letters.
    Badge: { styles: { root: { minWidth: 'max-content' } } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Dismiss' } } },
    Paper: { defaultProps: { withBorder: true, radius: 'md' } },
  },
});
