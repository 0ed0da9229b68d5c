/** What Wakering itself says about this machine, or why it cannot say anything. */

/** What the runtime found out about one feature. */
export interface FeatureFinding {
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
}

/** The part of `runtime.capabilities()` that is shown. */
export interface CapabilityFindings {
  readonly driver: string;
  readonly reason: string;
  readonly features: Readonly<Record<string, FeatureFinding>>;
}

/** Wakering's own findings. */
export interface Library {
  /** Missing when Wakering could not start. */
  readonly capabilities: CapabilityFindings | undefined;
  /** Why it could not. */
  readonly problem: string | undefined;
  /** The driver that `WAKERING_DRIVER` asks for. */
  readonly requestedDriver: string | undefined;
}

/** Starts a runtime, asks it, ends it. Never throws: failing to start is a finding. */
export async function askLibrary(): Promise<Library> {
  const requestedDriver = process.env['WAKERING_DRIVER'] || undefined;
  try {
    // Loaded here so that the doctor still speaks where the native part does not load.
    const { Runtime } = await import('../../index.ts');
    await using runtime = new Runtime();
    return { capabilities: runtime.capabilities(), problem: undefined, requestedDriver };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { capabilities: undefined, problem, requestedDriver };
  }
}
