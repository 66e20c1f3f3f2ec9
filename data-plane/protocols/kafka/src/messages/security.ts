import { api, array, bytes, int16, int32, int8, string } from '../schema.ts';

const LITERAL = 3;

/** DescribeAcls (29). */
export const DescribeAcls = api({
  key: 29,
  name: 'DescribeAcls',
  minVersion: 0,
  maxVersion: 3,
  flexibleSince: 2,
  request: {
    resourceTypeFilter: int8(),
    resourceNameFilter: string().nullable(),
    patternTypeFilter: int8().since(1).or(LITERAL),
    principalFilter: string().nullable(),
    hostFilter: string().nullable(),
    operation: int8(),
    permissionType: int8(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8().since(1).or(LITERAL),
      acls: array({ principal: string(), host: string(), operation: int8(), permissionType: int8() }),
    }),
  },
});

/** CreateAcls (30). */
export const CreateAcls = api({
  key: 30,
  name: 'CreateAcls',
  minVersion: 0,
  maxVersion: 3,
  flexibleSince: 2,
  request: {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8().since(1).or(LITERAL),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({ errorCode: int16(), errorMessage: string().nullable() }),
  },
});

/** DeleteAcls (31). */
export const DeleteAcls = api({
  key: 31,
  name: 'DeleteAcls',
  minVersion: 0,
  maxVersion: 3,
  flexibleSince: 2,
  request: {
    filters: array({
      resourceTypeFilter: int8(),
      resourceNameFilter: string().nullable(),
      patternTypeFilter: int8().since(1).or(LITERAL),
      principalFilter: string().nullable(),
      hostFilter: string().nullable(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    filterResults: array({
      errorCode: int16(),
      errorMessage: string().nullable(),
      matchingAcls: array({
        errorCode: int16(),
        errorMessage: string().nullable(),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8().since(1).or(LITERAL),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
});

/** DescribeUserScramCredentials (50), KIP-554. */
export const DescribeUserScramCredentials = api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: { users: array({ name: string() }).nullable() },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string().nullable(),
      credentialInfos: array({ mechanism: int8(), iterations: int32() }),
    }),
  },
});

/** AlterUserScramCredentials (51), KIP-554. */
export const AlterUserScramCredentials = api({
  key: 51,
  name: 'AlterUserScramCredentials',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: {
    deletions: array({ name: string(), mechanism: int8() }),
    upsertions: array({
      name: string(),
      mechanism: int8(),
      iterations: int32(),
      salt: bytes(),
      saltedPassword: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({ user: string(), errorCode: int16(), errorMessage: string().nullable() }),
  },
});
