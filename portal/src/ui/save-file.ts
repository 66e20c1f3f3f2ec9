import type { FileAnswer } from '@robustmq/client';

/** Hands bytes or a text to the browser as a file to save. */
export function saveFile(fileName: string, contentType: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type: contentType }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(url);
}

/** The bytes of a file in an answer. */
export const bytesOf = ({ contentBase64 }: Pick<FileAnswer, 'contentBase64'>): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(contentBase64), (char) => char.charCodeAt(0));

/** Saves a file that the API answered. */
export const saveAnswer = (file: FileAnswer): void => saveFile(file.fileName, file.contentType, bytesOf(file));
