/** What tests of the rooms above need to run against real and doubled object storage. */
export { missingCephProgram, RADOSGW_CREDENTIALS, startRadosgw, type Radosgw } from './radosgw.ts';
export { RealTimeRuntime } from './real-time.ts';
export { WebHdfsDouble } from './web-hdfs-double.ts';
