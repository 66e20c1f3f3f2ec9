import { ApiError } from '@robustmq/client';
import { QueryClient } from '@tanstack/react-query';

/** The cache of what the API answered. The client repeats failed requests itself, so queries do not. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: false,
      staleTime: 5_000,
      refetchOnWindowFocus: (query) => !(query.state.error instanceof ApiError),
    },
    mutations: { retry: false },
  },
});
