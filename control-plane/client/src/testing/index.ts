export { startFakeControlPlane, type FakeControlPlane, type FakeOptions } from './fake-control-plane.ts';
