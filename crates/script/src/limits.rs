//! Every bound of the language, with its name (spec §17.4).

/// Route blocks per kind; the first place belongs to the default block.
pub const ROUTES_MAX: usize = 10_000;
/// Arguments of one call, parameters of one `route()`, values of one `return()`.
pub const ARGUMENTS_MAX: usize = 8;
/// Files open at once while includes nest.
pub const INCLUDE_DEPTH_MAX: usize = 20;
/// Length of an included path in bytes.
pub const INCLUDE_PATH_MAX: usize = 256;
/// Files read for one script, however often a file is included.
pub const FILES_MAX: usize = 1000;
/// Bytes of one file. No routing script comes near; a device file would.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// Tokens of a script with all includes.
pub const TOKENS_MAX: usize = 2 << 20;
/// Steps of the grammar inside each other. One parenthesis or block takes two of them, so that a
/// hundred may nest.
pub const NESTING_MAX: usize = 200;
/// Variables inside the name or index of variables.
pub const VARIABLE_NESTING_MAX: usize = 8;
/// `{s.eval}` of a text that asks for `{s.eval}` itself.
pub const EVALS_NESTED_MAX: u8 = 4;
/// `route()` calls inside each other.
pub const ROUTE_LEVELS_MAX: usize = 100;
/// Flag names of one kind: they are the bits of a 32-bit word.
pub const FLAGS_MAX: usize = 32;
/// Errors reported in one run. What follows is mostly echo.
pub const ERRORS_MAX: usize = 50;
/// Warnings reported in one run.
pub const WARNINGS_MAX: usize = 200;
/// Default of `max_while_loops`: rounds of one `while`.
pub const WHILE_LOOPS_DEFAULT: u32 = 10_000;
/// Default of `pv_print_buf_size`: bytes of one expanded format string.
pub const FORMAT_BYTES_DEFAULT: usize = 20_000;
/// Default of `xlog_buf_size`: bytes of one log line.
pub const XLOG_BYTES_DEFAULT: usize = 4096;
/// Scratch memory of one run: all strings alive at once, the operands of one statement at each
/// route level. Reached only by scripts that nest enormous strings.
pub const SCRATCH_BYTES_MAX: usize = 4 << 20;
/// Instructions of one run. A run that takes more (nested loops) is ended with an error: one
/// message must not hold a worker for longer than about a tenth of a second.
pub const STEPS_MAX: u32 = 5_000_000;
/// Bytes that `$avp[*]` joins at most (spec §7).
pub const JOINED_BYTES_MAX: usize = 511;
/// Values of all names in one [`AvpList`](crate::AvpList): a loop that only pushes stops here.
pub const AVPS_MAX: usize = 10_000;
/// `$var` names made at run time (`$var($var(x))`) beyond those in the script.
pub const DYNAMIC_VARS_MAX: usize = 1000;
/// Patterns from variables kept compiled by one machine.
pub const PATTERN_CACHE_MAX: usize = 64;
/// Variables in the replacement of one substitution that a function takes.
pub const SUBSTITUTION_VARIABLES_MAX: usize = 5;
/// Compiled size in bytes allowed for one pattern.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;
