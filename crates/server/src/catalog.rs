//! All names that a script may use, numbered: the core's and every module's declarations.

use duologue_script as script;
use duologue_script::{
    FunctionId, Global, ModuleId, Name, RouteKinds, Setting, Setup, Standing, Transformation,
    VariableId,
};

use crate::core;
use crate::module::{AsyncFunction, Function, Module, Parameters, Variable};

/// The catalog that the script's loader asks, and the way back from its numbers to our code.
#[derive(Debug)]
pub struct Catalog {
    modules: Vec<&'static Module>,
    functions: Vec<&'static Function>,
    asynchronous: Vec<Asynchronous>,
    variables: Vec<&'static Variable>,
    script_modules: Vec<script::Module>,
    script_functions: Vec<script::Function>,
    script_variables: Vec<script::Variable>,
    script_parameters: Vec<script::Parameter>,
    globals: Vec<Global>,
    transformations: Vec<Transformation>,
}

/// From this number on, functions are asynchronous ones.
const FIRST_ASYNCHRONOUS: u16 = 1 << 14;

/// An asynchronous function, and the blocking one that stands in for it where nothing can wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asynchronous {
    pub(crate) asynchronous: &'static AsyncFunction,
    pub(crate) blocking: Option<&'static Function>,
}

impl Catalog {
    /// Numbers the core's names and those of `modules`.
    pub fn new(modules: Vec<&'static Module>) -> Self {
        let mut catalog = Self {
            modules: Vec::new(),
            functions: Vec::new(),
            asynchronous: Vec::new(),
            variables: Vec::new(),
            script_modules: Vec::new(),
            script_functions: Vec::new(),
            script_variables: Vec::new(),
            script_parameters: Vec::new(),
            globals: core::globals(),
            transformations: core::TRANSFORMATIONS.to_vec(),
        };
        catalog.add(None, core::FUNCTIONS, core::VARIABLES);
        for (module, number) in modules.into_iter().zip(0u16..) {
            let id = ModuleId(number);
            catalog.modules.push(module);
            catalog.script_modules.push(script::Module {
                id,
                name: module.name,
                standing: Standing::Built,
            });
            catalog.add(Some(id), module.functions, module.variables);
            catalog.add_asynchronous(id, module);
            for parameter in module.parameters {
                let declared = script::Parameter::new(id, parameter.name, parameter.kind);
                catalog.script_parameters.push(if parameter.built {
                    declared
                } else {
                    declared.planned()
                });
            }
        }
        catalog.add_planned();
        catalog
    }

    /// The modules that exist, with their numbers.
    pub(crate) fn built(&self) -> impl Iterator<Item = (ModuleId, &'static Module)> + '_ {
        self.modules.iter().zip(0u16..).map(|(module, number)| (ModuleId(number), *module))
    }

    /// The number of a core function.
    pub(crate) fn core_function(&self, name: &str) -> Option<FunctionId> {
        let known = &self.script_functions;
        let found =
            known.iter().find(|function| function.module.is_none() && function.name == name);
        found.map(|function| function.id)
    }

    /// The code behind a function's number.
    #[inline]
    pub(crate) fn function(&self, id: FunctionId) -> &'static Function {
        self.functions[usize::from(id.0)]
    }

    /// The number of a function by its name.
    pub(crate) fn function_named(&self, name: &str) -> Option<FunctionId> {
        let at = self.functions.iter().position(|function| function.name == name)?;
        Some(FunctionId(number(at)))
    }

    /// The number of a variable by one of its names.
    pub(crate) fn variable_named(&self, name: &str) -> Option<VariableId> {
        let at = self.variables.iter().position(|variable| variable.names.contains(&name))?;
        Some(VariableId(number(at)))
    }

    /// The code behind the number of an asynchronous function.
    pub(crate) fn asynchronous(&self, id: FunctionId) -> Asynchronous {
        self.asynchronous[usize::from(id.0 - FIRST_ASYNCHRONOUS)]
    }

    /// The code behind a variable's number.
    #[inline]
    pub(crate) fn variable(&self, id: VariableId) -> &'static Variable {
        self.variables[usize::from(id.0)]
    }

    fn add(
        &mut self,
        module: Option<ModuleId>,
        functions: &'static [Function],
        variables: &'static [Variable],
    ) {
        for function in functions {
            let id = FunctionId(number(self.functions.len()));
            self.functions.push(function);
            self.script_functions.push(script::Function {
                id,
                name: function.name,
                module,
                params: function.params,
                routes: function.routes,
                asynchronous: false,
                direct: true,
                standing: Standing::Built,
            });
        }
        for variable in variables {
            let id = VariableId(number(self.variables.len()));
            self.variables.push(variable);
            for name in variable.names {
                self.script_variables.push(script::Variable {
                    id,
                    name,
                    module,
                    writable: variable.write.is_some(),
                    subname: variable.subname,
                    indexed: variable.indexed,
                    has_set: variable.has_set,
                    standing: Standing::Built,
                });
            }
        }
    }

    fn add_asynchronous(&mut self, module: ModuleId, declared: &'static Module) {
        for function in declared.asynchronous {
            let id = FunctionId(FIRST_ASYNCHRONOUS + number(self.asynchronous.len()));
            let blocking = declared.functions.iter().find(|other| other.name == function.name);
            self.asynchronous.push(Asynchronous { asynchronous: function, blocking });
            let name = function.name;
            let script = script::Function::of(module, id, name, function.params, function.routes);
            self.script_functions.push(script.only_asynchronous());
        }
    }

    /// Names that the language knows and we have not built: a script that uses them is told so.
    fn add_planned(&mut self) {
        for (name, first) in core::PLANNED_MODULES.iter().zip(number(self.modules.len())..) {
            self.script_modules.push(script::Module {
                id: ModuleId(first),
                name,
                standing: Standing::Planned,
            });
        }
        for name in core::PLANNED_FUNCTIONS {
            self.script_functions.push(
                script::Function {
                    routes: RouteKinds::all(),
                    ..script::Function::core(FunctionId(u16::MAX), name, &[])
                }
                .planned(),
            );
        }
        for name in core::PLANNED_VARIABLES {
            let variable = script::Variable::core(VariableId(u16::MAX), name);
            self.script_variables.push(variable.named(script::Subname::Optional).planned());
        }
    }
}

fn number(len: usize) -> u16 {
    u16::try_from(len).expect("declarations are a few hundred constants of this program")
}

impl script::Catalog for Catalog {
    fn modules(&self) -> &[script::Module] {
        &self.script_modules
    }

    fn functions(&self) -> &[script::Function] {
        &self.script_functions
    }

    fn variables(&self) -> &[script::Variable] {
        &self.script_variables
    }

    fn globals(&self) -> &[Global] {
        &self.globals
    }

    fn parameters(&self) -> &[script::Parameter] {
        &self.script_parameters
    }

    fn transformations(&self) -> &[Transformation] {
        &self.transformations
    }

    fn check_literal(&self, function: FunctionId, index: usize, text: &str) -> Result<(), String> {
        let check = match function.0.checked_sub(FIRST_ASYNCHRONOUS) {
            Some(at) => self.asynchronous.get(usize::from(at)).and_then(|it| it.asynchronous.check),
            None => self.functions.get(usize::from(function.0)).and_then(|it| it.check),
        };
        match check {
            Some(check) => check(index, text),
            None => Ok(()),
        }
    }

    fn check_reference(
        &self,
        function: FunctionId,
        index: usize,
        text: &str,
        setup: &Setup,
    ) -> Result<(), String> {
        let Some(declared) = self.functions.get(usize::from(function.0)) else { return Ok(()) };
        if let Some(check) = declared.refers_to_setup {
            check(setup, index, text)?;
        }
        let module = self.script_functions.get(usize::from(function.0)).and_then(|it| it.module);
        match declared.refers.zip(module) {
            Some((check, module)) => check(&Parameters::of(setup, module), index, text),
            None => Ok(()),
        }
    }

    fn resolve_subname(&self, variable: VariableId, name: &str) -> Result<Option<u32>, String> {
        match self.variables.get(usize::from(variable.0)).and_then(|variable| variable.resolve) {
            Some(resolve) => resolve(name),
            None => Ok(None),
        }
    }

    fn renamed(&self, name: Name<'_>) -> Option<String> {
        match name {
            Name::Argument(function, index, text) => {
                let declared = self.functions.get(usize::from(function.0))?;
                declared.modern.and_then(|modern| modern(index, text))
            }
            name => core::renamed(name).map(str::to_owned),
        }
    }

    fn note_global(&self, name: &str, value: &Setting) -> Option<String> {
        core::note_global(name, value)
    }

    fn note_parameter(&self, module: ModuleId, name: &str, value: &Setting) -> Option<String> {
        let parameters = self.modules.get(usize::from(module.0))?.parameters;
        let effect = parameters.iter().find(|known| known.name == name)?.without_effect?;
        let differs = effect.ours.is_none() || value.int() != effect.ours;
        differs.then(|| format!("`{name}` changes nothing here: {}", effect.why))
    }

    fn note_function(&self, function: FunctionId) -> Option<&'static str> {
        self.functions.get(usize::from(function.0)).and_then(|function| function.note)
    }

    fn check_global(&self, name: &str, value: &Setting) -> Result<(), String> {
        core::check_global(name, value)
    }
}
