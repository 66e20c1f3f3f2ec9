/**
 * Where a cloud's cold data goes, as the operator says it in `ROBUSTMQ_S3_*`. The launcher and the agent read it alike.
 * Secrets are not in it: they stay in the environment, under `accessKeyIdVariable` and `secretAccessKeyVariable`.
 */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Address of a server that is not AWS; absent = AWS. */
  readonly endpoint?: string;
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  /** Absent = path style wherever there is an endpoint. */
  readonly forcePathStyle?: boolean;
  /** Absent = the search of the AWS SDK: environment, profile, instance role. */
  readonly accessKeyIdVariable?: string;
  readonly secretAccessKeyVariable?: string;
}

const BUCKET = 'ROBUSTMQ_S3_BUCKET';
const ENDPOINT = 'ROBUSTMQ_S3_ENDPOINT';
const REGION = 'ROBUSTMQ_S3_REGION';
const PREFIX = 'ROBUSTMQ_S3_PREFIX';
const PATH_STYLE = 'ROBUSTMQ_S3_PATH_STYLE';
const ACCESS_KEY_ID = 'ROBUSTMQ_S3_ACCESS_KEY_ID';
const SECRET_ACCESS_KEY = 'ROBUSTMQ_S3_SECRET_ACCESS_KEY';
const OTHERS = [ENDPOINT, REGION, PREFIX, PATH_STYLE, ACCESS_KEY_ID, SECRET_ACCESS_KEY];

/** With the ids of an agent (16) and of a node (36) behind it, a prefix stays below the 100 characters engines take. */
const PREFIX_LENGTH_MAX = 40;
const YES_OR_NO: Record<string, boolean> = { true: true, false: false, '1': true, '0': false };

/** Reads the variables; undefined when none is set. Throws an Error whose message is one sentence that names the variable. */
export function readS3Settings(env: Readonly<Record<string, string | undefined>>): S3Settings | undefined {
  const given = (name: string): string | undefined => env[name] || undefined;
  const bucket = given(BUCKET);
  if (bucket === undefined) {
    const other = OTHERS.find((name) => given(name) !== undefined);
    if (other === undefined) return undefined;
    throw new Error(`${other} is set but ${BUCKET} is not: name the bucket, or unset ${other}.`);
  }
  const region = given(REGION) ?? 'us-east-1';
  const prefix = given(PREFIX) ?? '';
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket))
    throw new Error(`${BUCKET} is "${bucket}": give the name of a bucket, 3 to 63 letters, digits, dots and dashes.`);
  if (!/^[A-Za-z0-9-]{1,64}$/.test(region))
    throw new Error(`${REGION} is "${region}": give the name of a region such as eu-central-1.`);
  if (!/^([A-Za-z0-9_-][A-Za-z0-9._-]*\/)*$/.test(prefix) || prefix.length > PREFIX_LENGTH_MAX)
    throw new Error(
      `${PREFIX} is "${prefix}": give at most ${PREFIX_LENGTH_MAX} letters, digits, dots and dashes that end with /, such as cloud/.`,
    );
  const endpoint = given(ENDPOINT);
  if (endpoint !== undefined && !isServer(endpoint))
    throw new Error(`${ENDPOINT} is no address: give one such as https://s3.example.com, without user name or query.`);
  const pathStyle = given(PATH_STYLE);
  if (pathStyle !== undefined && !Object.hasOwn(YES_OR_NO, pathStyle))
    throw new Error(`${PATH_STYLE} is "${pathStyle}": give true or false.`);
  const hasKey = given(ACCESS_KEY_ID) !== undefined;
  if (hasKey !== (given(SECRET_ACCESS_KEY) !== undefined))
    throw new Error(`${ACCESS_KEY_ID} and ${SECRET_ACCESS_KEY}: set both, or neither.`);
  return {
    bucket,
    region,
    prefix,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(pathStyle === undefined ? {} : { forcePathStyle: YES_OR_NO[pathStyle]! }),
    ...(hasKey ? { accessKeyIdVariable: ACCESS_KEY_ID, secretAccessKeyVariable: SECRET_ACCESS_KEY } : {}),
  };
}

/** Without a user name and password, for the address is written into the nodes' configuration. */
function isServer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username + password + search + hash === '';
}
