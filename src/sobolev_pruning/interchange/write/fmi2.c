#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The standard fixes the arguments; several are of no use here. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

/* Types of FMI 2.0 for co-simulation and model exchange. */

typedef void *fmi2Component;
typedef void *fmi2ComponentEnvironment;
typedef void *fmi2FMUstate;
typedef unsigned int fmi2ValueReference;
typedef double fmi2Real;
typedef int fmi2Integer;
typedef int fmi2Boolean;
typedef const char *fmi2String;
typedef char fmi2Byte;

enum { fmi2False = 0, fmi2True = 1 };
typedef enum { fmi2OK, fmi2Warning, fmi2Discard, fmi2Error, fmi2Fatal, fmi2Pending } fmi2Status;
typedef enum { fmi2ModelExchange, fmi2CoSimulation } fmi2Type;
typedef enum { fmi2DoStepStatus, fmi2PendingStatus, fmi2LastSuccessfulTime, fmi2Terminated } fmi2StatusKind;

typedef struct {
    void (*logger)(fmi2ComponentEnvironment, fmi2String instance, fmi2Status, fmi2String category, fmi2String, ...);
    void *(*allocateMemory)(size_t, size_t);
    void (*freeMemory)(void *);
    void (*stepFinished)(fmi2ComponentEnvironment, fmi2Status);
    fmi2ComponentEnvironment componentEnvironment;
} fmi2CallbackFunctions;

typedef struct {
    fmi2Boolean newDiscreteStatesNeeded;
    fmi2Boolean terminateSimulation;
    fmi2Boolean nominalsOfContinuousStatesChanged;
    fmi2Boolean valuesOfContinuousStatesChanged;
    fmi2Boolean nextEventTimeDefined;
    fmi2Real nextEventTime;
} fmi2EventInfo;

/* In a library of its own the functions have the names of the standard; linked statically, a prefix before them:
 * compile with -DFMI2_FUNCTION_PREFIX=name_ for that. */
#define JOINED(prefix, name) prefix##name
#define JOINED_VALUES(prefix, name) JOINED(prefix, name)
#ifdef FMI2_FUNCTION_PREFIX
#define NAMED(name) JOINED_VALUES(FMI2_FUNCTION_PREFIX, name)
#else
#define NAMED(name) name
#endif
#ifdef _WIN32
#define PUBLIC(type, name) __declspec(dllexport) type NAMED(name)
#else
#define PUBLIC(type, name) __attribute__((visibility("default"))) type NAMED(name)
#endif

#define D SURROGATE_INPUTS
#define K SURROGATE_OUTPUTS

/* Value references 0 to D - 1 are the inputs, the K after them the outputs. */
typedef struct {
    fmi2CallbackFunctions functions;
    char *name;
    double time;
    double x[D], y[K], slopes[K * D];
    int has_y, has_slopes, was_outside;
} Instance;

/* The message holds no format: some environments print it as it comes. */
static void tell(const Instance *instance, fmi2Status status, const char *message)
{
    if (instance->functions.logger)
        instance->functions.logger(instance->functions.componentEnvironment, instance->name, status,
                                   status == fmi2Warning ? "logStatusWarning" : "logStatusError", message);
}

static fmi2Status failed(const Instance *instance, const char *why)
{
    tell(instance, fmi2Error, why);
    return fmi2Error;
}

static fmi2Status failed_at(const Instance *instance, fmi2ValueReference reference, const char *why)
{
    char message[120];
    snprintf(message, sizeof message, "The variable of value reference %u %s.", reference, why);
    return failed(instance, message);
}

/* Says once that the inputs have left the range, and again after they were back. */
static void mind_the_range(Instance *instance)
{
#ifdef HAS_RANGE
    const int outside = !surrogate_in_range(instance->x);
    if (outside && !instance->was_outside)
        tell(instance, fmi2Warning, "An input is outside of the range the surrogate was made for.");
    instance->was_outside = outside;
#endif
}

static void reset(Instance *instance)
{
    static const double start[D] = START;
    memcpy(instance->x, start, sizeof start);
    instance->time = 0;
    instance->has_y = instance->has_slopes = instance->was_outside = 0;
}

/* Both kinds. */

PUBLIC(const char *, fmi2GetTypesPlatform)(void) { return "default"; }

PUBLIC(const char *, fmi2GetVersion)(void) { return "2.0"; }

PUBLIC(fmi2Status, fmi2SetDebugLogging)(fmi2Component c, fmi2Boolean on, size_t n, const fmi2String categories[])
{
    /* Errors and warnings are always told, and there is nothing else. */
    return fmi2OK;
}

PUBLIC(fmi2Component, fmi2Instantiate)(fmi2String name, fmi2Type type, fmi2String guid, fmi2String resources,
                                      const fmi2CallbackFunctions *functions, fmi2Boolean visible, fmi2Boolean logging)
{
    Instance *instance;
    if (!name || !guid || !functions)
        return NULL;
    if (strcmp(guid, GUID) != 0) {
        if (functions->logger)
            functions->logger(functions->componentEnvironment, name, fmi2Error, "logStatusError",
                              "The GUID is not " GUID ", that of the sources.");
        return NULL;
    }
    instance = calloc(1, sizeof *instance);
    if (!instance)
        return NULL;
    instance->name = malloc(strlen(name) + 1);
    if (!instance->name) {
        free(instance);
        return NULL;
    }
    strcpy(instance->name, name);
    instance->functions = *functions;
    reset(instance);
    return instance;
}

PUBLIC(void, fmi2FreeInstance)(fmi2Component c)
{
    if (c)
        free(((Instance *)c)->name);
    free(c);
}

PUBLIC(fmi2Status, fmi2SetupExperiment)(fmi2Component c, fmi2Boolean has_tolerance, fmi2Real tolerance, fmi2Real start,
                                       fmi2Boolean has_stop, fmi2Real stop)
{
    ((Instance *)c)->time = start;
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2EnterInitializationMode)(fmi2Component c) { return c ? fmi2OK : fmi2Error; }

PUBLIC(fmi2Status, fmi2ExitInitializationMode)(fmi2Component c) { return c ? fmi2OK : fmi2Error; }

PUBLIC(fmi2Status, fmi2Terminate)(fmi2Component c) { return c ? fmi2OK : fmi2Error; }

PUBLIC(fmi2Status, fmi2Reset)(fmi2Component c)
{
    reset(c);
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2GetReal)(fmi2Component c, const fmi2ValueReference references[], size_t n, fmi2Real values[])
{
    Instance *instance = c;
    size_t i;
    for (i = 0; i < n; ++i) {
        const fmi2ValueReference at = references[i];
        if (at >= D + K)
            return failed_at(instance, at, "does not exist");
        if (at >= D && !instance->has_y) {
            surrogate_value(instance->x, instance->y);
            instance->has_y = 1;
            mind_the_range(instance);
        }
        values[i] = at < D ? instance->x[at] : instance->y[at - D];
    }
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2SetReal)(fmi2Component c, const fmi2ValueReference references[], size_t n,
                               const fmi2Real values[])
{
    Instance *instance = c;
    size_t i;
    instance->has_y = instance->has_slopes = 0;
    for (i = 0; i < n; ++i) {
        if (references[i] >= D)
            return failed_at(instance, references[i], "is no input, so it cannot be set");
        instance->x[references[i]] = values[i];
    }
    return fmi2OK;
}

/* Sums over the known inputs of the derivative of each unknown output by them, times their changes. */
PUBLIC(fmi2Status, fmi2GetDirectionalDerivative)(fmi2Component c, const fmi2ValueReference unknown[], size_t n_unknown,
                                                const fmi2ValueReference known[], size_t n_known,
                                                const fmi2Real changes[], fmi2Real derivatives[])
{
    Instance *instance = c;
    size_t i, j;
    for (j = 0; j < n_known; ++j)
        if (known[j] >= D)
            return failed_at(instance, known[j], "is no input; derivatives are by inputs");
    for (i = 0; i < n_unknown; ++i)
        if (unknown[i] < D || unknown[i] >= D + K)
            return failed_at(instance, unknown[i], "is no output; derivatives are of outputs");
    if (!instance->has_slopes) {
        surrogate_gradient(instance->x, instance->y, instance->slopes);
        instance->has_y = instance->has_slopes = 1;
        mind_the_range(instance);
    }
    for (i = 0; i < n_unknown; ++i) {
        derivatives[i] = 0;
        for (j = 0; j < n_known; ++j)
            derivatives[i] += instance->slopes[(unknown[i] - D) * D + known[j]] * changes[j];
    }
    return fmi2OK;
}

/* There are variables of no other type; asked for none of them, all is well. */
#define NO_VARIABLES(function, type)                                                                                  \
    PUBLIC(fmi2Status, function)(fmi2Component c, const fmi2ValueReference references[], size_t n, type values[])     \
    {                                                                                                                 \
        return n == 0 ? fmi2OK : failed_at(c, references[0], "has another type: all are Real");                       \
    }

NO_VARIABLES(fmi2GetInteger, fmi2Integer)
NO_VARIABLES(fmi2GetBoolean, fmi2Boolean)
NO_VARIABLES(fmi2GetString, fmi2String)
NO_VARIABLES(fmi2SetInteger, const fmi2Integer)
NO_VARIABLES(fmi2SetBoolean, const fmi2Boolean)
NO_VARIABLES(fmi2SetString, const fmi2String)

/* What the description says the model cannot do. */
#define CANNOT(function, ...)                                                                                         \
    PUBLIC(fmi2Status, function)(fmi2Component c, __VA_ARGS__)                                                        \
    {                                                                                                                 \
        return failed(c, "This model has no " #function ".");                                                        \
    }

CANNOT(fmi2GetFMUstate, fmi2FMUstate *state)
CANNOT(fmi2SetFMUstate, fmi2FMUstate state)
CANNOT(fmi2FreeFMUstate, fmi2FMUstate *state)
CANNOT(fmi2SerializedFMUstateSize, fmi2FMUstate state, size_t *size)
CANNOT(fmi2SerializeFMUstate, fmi2FMUstate state, fmi2Byte bytes[], size_t size)
CANNOT(fmi2DeSerializeFMUstate, const fmi2Byte bytes[], size_t size, fmi2FMUstate *state)

/* Model exchange: no states and no events. */

PUBLIC(fmi2Status, fmi2EnterEventMode)(fmi2Component c) { return c ? fmi2OK : fmi2Error; }

PUBLIC(fmi2Status, fmi2EnterContinuousTimeMode)(fmi2Component c) { return c ? fmi2OK : fmi2Error; }

PUBLIC(fmi2Status, fmi2NewDiscreteStates)(fmi2Component c, fmi2EventInfo *info)
{
    memset(info, 0, sizeof *info);
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2CompletedIntegratorStep)(fmi2Component c, fmi2Boolean no_way_back, fmi2Boolean *enter_event_mode,
                                               fmi2Boolean *terminate)
{
    *enter_event_mode = *terminate = fmi2False;
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2SetTime)(fmi2Component c, fmi2Real time)
{
    ((Instance *)c)->time = time;
    return fmi2OK;
}

#define NO_NUMBERS(function, type)                                                                                    \
    PUBLIC(fmi2Status, function)(fmi2Component c, type numbers[], size_t n)                                           \
    {                                                                                                                 \
        return n == 0 ? fmi2OK : failed(c, "This model has neither states nor events.");                             \
    }

NO_NUMBERS(fmi2SetContinuousStates, const fmi2Real)
NO_NUMBERS(fmi2GetContinuousStates, fmi2Real)
NO_NUMBERS(fmi2GetDerivatives, fmi2Real)
NO_NUMBERS(fmi2GetEventIndicators, fmi2Real)
NO_NUMBERS(fmi2GetNominalsOfContinuousStates, fmi2Real)

/* Co-simulation: outputs follow the inputs at once, so a step only moves the time. */

PUBLIC(fmi2Status, fmi2DoStep)(fmi2Component c, fmi2Real from, fmi2Real step, fmi2Boolean no_way_back)
{
    ((Instance *)c)->time = from + step;
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2CancelStep)(fmi2Component c) { return failed(c, "No step is under way."); }

CANNOT(fmi2SetRealInputDerivatives, const fmi2ValueReference references[], size_t n, const fmi2Integer orders[],
       const fmi2Real values[])
CANNOT(fmi2GetRealOutputDerivatives, const fmi2ValueReference references[], size_t n, const fmi2Integer orders[],
       fmi2Real values[])

PUBLIC(fmi2Status, fmi2GetRealStatus)(fmi2Component c, const fmi2StatusKind kind, fmi2Real *value)
{
    if (kind != fmi2LastSuccessfulTime)
        return fmi2Discard;
    *value = ((Instance *)c)->time;
    return fmi2OK;
}

PUBLIC(fmi2Status, fmi2GetBooleanStatus)(fmi2Component c, const fmi2StatusKind kind, fmi2Boolean *value)
{
    if (kind != fmi2Terminated)
        return fmi2Discard;
    *value = fmi2False;
    return fmi2OK;
}

/* Steps are never under way, of which these tell. */
#define NO_STATUS(function, type)                                                                                     \
    PUBLIC(fmi2Status, function)(fmi2Component c, const fmi2StatusKind kind, type *value) { return fmi2Discard; }

NO_STATUS(fmi2GetStatus, fmi2Status)
NO_STATUS(fmi2GetIntegerStatus, fmi2Integer)
NO_STATUS(fmi2GetStringStatus, fmi2String)
