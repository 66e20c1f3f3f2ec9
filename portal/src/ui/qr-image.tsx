import { Box } from '@mantine/core';
import { useMemo } from 'react';
import { qrCodeOf } from './qr-code.ts';

/** Light modules around the symbol, as many as readers need. */
const QUIET = 4;
const WIDTH_PX = 200;

/** A text as a QR code, dark on white in both schemes: many readers see no other. */
export function QrImage({ text, label }: { text: string; label: string }) {
  const [path, size] = useMemo(() => {
    const symbol = qrCodeOf(text);
    const dark = symbol.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x + QUIET} ${y + QUIET}h1v1h-1z`] : [])));
    return [dark.join(''), symbol.length + 2 * QUIET] as const;
  }, [text]);
  return (
    <Box maw={WIDTH_PX} mx="auto" w="100%">
      <svg role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} shapeRendering="crispEdges" width="100%">
        <rect width={size} height={size} fill="#fff" />
        <path d={path} fill="#000" />
      </svg>
    </Box>
  );
}
