import { Module } from '@nestjs/common';
import type { DynamicModule, Provider, Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { BullModule } from '@nestjs/bullmq';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { ThrottlerModule } from '@nestjs/throttler';
import { Database, QUEUE_SCHEMA } from '@robustmq/db';
import { LoggerModule } from 'nestjs-pino';
import { AgentIdentity } from './agents/agent-identity.ts';
import { AgentLinkController } from './agents/agent-link-controller.ts';
import { AgentStates } from './agents/agent-states.ts';
import { AgentViews } from './agents/agent-views.ts';
import { FleetController } from './agents/fleet-controller.ts';
import { FleetWatch } from './agents/fleet-watch.ts';
import { LinkCertificates } from './agents/link-certificates.ts';
import { OperatorController } from './agents/operator-controller.ts';
import { AuthController } from './auth/auth-controller.ts';
import { JwtStrategy } from './auth/jwt-strategy.ts';
import { KeyRing } from './auth/key-ring.ts';
import { Mailer } from './auth/mailer.ts';
import { PeopleController } from './auth/people-controller.ts';
import { SecondFactor } from './auth/second-factor.ts';
import { LoginThrottle } from './auth/login-throttle.ts';
import { Sessions } from './auth/sessions.ts';
import { BillingLink } from './billing/billing-link.ts';
import { BillingOperatorController } from './billing/billing-operator-controller.ts';
import { InvoicesController } from './billing/invoices-controller.ts';
import { MoneyController } from './billing/money-controller.ts';
import { NoticeMails } from './billing/notice-mails.ts';
import { AclController } from './clusters/acl-controller.ts';
import { CertificatesController } from './clusters/certificates-controller.ts';
import { ClusterLifeController } from './clusters/cluster-life-controller.ts';
import { ClustersController } from './clusters/clusters-controller.ts';
import { CredentialsController } from './clusters/credentials-controller.ts';
import { LiveController } from './clusters/live-controller.ts';
import { TierForecastController } from './clusters/tier-forecast-controller.ts';
import { QuotasController } from './clusters/quotas-controller.ts';
import { SettingsController } from './clusters/settings-controller.ts';
import { SettingsWriter } from './clusters/settings-writer.ts';
import { TestRecordsController } from './clusters/test-records-controller.ts';
import { TopicsController } from './clusters/topics-controller.ts';
import { AccessGuard } from './http/access-guard.ts';
import { Egress } from './http/egress.ts';
import { ProblemFilter } from './http/problem-filter.ts';
import { RateLimitGuard } from './http/rate-limit-guard.ts';
import { RouteInterceptor } from './http/route-interceptor.ts';
import { TenantWrite } from './http/tenant-write.ts';
import { UsageController } from './metering/usage-controller.ts';
import { Housekeeping } from './operations/housekeeping.ts';
import { Metrics } from './operations/metrics.ts';
import { OperationsController } from './operations/operations-controller.ts';
import { AgentPokes } from './provisioning/agent-pokes.ts';
import { ClusterWatch } from './provisioning/cluster-watch.ts';
import { Observe } from './provisioning/observe.ts';
import { Provisioner, ReconcileWorker, RECONCILE_QUEUE } from './provisioning/provisioner.ts';
import { Reconcile } from './provisioning/reconcile.ts';
import type { Settings } from './settings.ts';
import { ApiKeysController } from './tenants/api-keys-controller.ts';
import { AuditController } from './tenants/audit-controller.ts';
import { InvitationsController } from './tenants/invitations-controller.ts';
import { RolesController } from './tenants/roles-controller.ts';
import { TenantsController } from './tenants/tenants-controller.ts';
import { SsoClient } from './sso/sso-client.ts';
import { SsoController } from './sso/sso-controller.ts';
import { SsoDomainsController } from './sso/sso-domains-controller.ts';
import { SsoLoginController } from './sso/sso-login-controller.ts';
import { SETTINGS } from './tokens.ts';
import { UndoController } from './undo/undo-controller.ts';
import { WebhookSender } from './webhooks/webhook-sender.ts';
import { WebhooksController } from './webhooks/webhooks-controller.ts';

const CONTROLLERS: Type[] = [
  AuthController,
  PeopleController,
  InvitationsController,
  TenantsController,
  SsoLoginController,
  SsoController,
  SsoDomainsController,
  UndoController,
  ApiKeysController,
  RolesController,
  AuditController,
  ClustersController,
  ClusterLifeController,
  QuotasController,
  CertificatesController,
  CredentialsController,
  TopicsController,
  TestRecordsController,
  SettingsController,
  AclController,
  LiveController,
  TierForecastController,
  WebhooksController,
  UsageController,
  InvoicesController,
  MoneyController,
  BillingOperatorController,
  OperatorController,
  FleetController,
  OperationsController,
  AgentLinkController,
];

const PROVIDERS: Provider[] = [
  JwtStrategy,
  Sessions,
  Mailer,
  SecondFactor,
  // sign-up mails through it
  PeopleController,
  TenantWrite,
  Egress,
  SsoClient,
  WebhookSender,
  BillingLink,
  NoticeMails,
  AgentIdentity,
  AgentStates,
  AgentPokes,
  AgentViews,
  FleetWatch,
  SettingsWriter,
  ClusterWatch,
  Observe,
  Reconcile,
  Provisioner,
  ReconcileWorker,
  Metrics,
  Housekeeping,
  // the plan of a cluster asks it for prices
  InvoicesController,
  MoneyController,
  BillingOperatorController,
  { provide: LoginThrottle, useFactory: () => new LoginThrottle() },
  // guards run in this order: budget, then access
  { provide: APP_GUARD, useClass: RateLimitGuard },
  { provide: APP_GUARD, useClass: AccessGuard },
  { provide: APP_INTERCEPTOR, useClass: RouteInterceptor },
  { provide: APP_FILTER, useClass: ProblemFilter },
];

/** Request headers and bodies that must not reach a log. */
const REDACTED = ['req.headers.authorization', 'req.headers.cookie', 'req.headers["idempotency-key"]'];

function queueConnection(settings: Settings): object {
  if (settings.redisUrl === undefined)
    return { connectionString: settings.databaseUrl, schema: QUEUE_SCHEMA, max: 4, skipMigrations: true };
  // a worker's blocking command must not be given up (BullMQ requires it)
  return { url: settings.redisUrl, maxRetriesPerRequest: null };
}

/** Null where the link is plain text. */
const linkCertificates = ({ linkCertificatesFile }: Settings): LinkCertificates | null =>
  linkCertificatesFile === undefined ? null : LinkCertificates.open(linkCertificatesFile);

/** The whole control plane: one module per process. */
@Module({})
export class AppModule {
  static with(settings: Settings, keys: KeyRing, database: Database): DynamicModule {
    return {
      module: AppModule,
      imports: [
        LoggerModule.forRoot({
          pinoHttp: {
            level: settings.logLevel,
            redact: REDACTED,
            autoLogging: false,
            quietReqLogger: true,
          },
        }),
        PassportModule,
        JwtModule.register({}),
        ThrottlerModule.forRoot([{ name: 'default', ttl: 60_000, limit: settings.requestsPerMinuteMax }]),
        BullModule.forRoot({ connection: queueConnection(settings) }),
        BullModule.registerQueue({ name: RECONCILE_QUEUE }),
      ],
      controllers: CONTROLLERS,
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: KeyRing, useValue: keys },
        { provide: Database, useValue: database },
        { provide: LinkCertificates, useFactory: () => linkCertificates(settings) },
        ...PROVIDERS,
      ],
    };
  }
}
