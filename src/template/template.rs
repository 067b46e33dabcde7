//! A loaded template: what it takes, and the manifest it gives.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::Serialize;
use serde_json::{Map, Value};

use super::compile::{self, Compiled, Depends};
use super::digest::Digest;
use super::expand::{Expanded, expand};
use super::expr::{Data, Root};
use super::fill::{Shape, ShapeError, weight};
use super::frontmatter::{self, FrontMatter};
use super::inputs::Inputs;
use super::limits::Limit;
use super::locate::{key_order, locate};
use super::manifest;
use super::params::{self, Checked};
use super::problem::{Code, Fault, LoadError, Place, Problem, RenderError};
use super::provenance::{Provenance, Repository};
use super::rendered::Rendered;
use super::schema::Parameter;
use super::scrub::Scrub;
use super::validate;

/// What a render is told about the job it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context {
    /// The job's ID: `{{job.id}}`.
    pub job_id: String,
    /// Its name for people: `{{job.name}}`.
    pub job_name: String,
    /// Where its worker reports: `{{callback.url}}`.
    pub callback_url: String,
}

impl Context {
    /// The context of examples and golden manifests.
    #[must_use]
    pub fn example() -> Self {
        Self {
            job_id: "example".to_owned(),
            job_name: "Example".to_owned(),
            callback_url: "http://127.0.0.1:8080/callback/TOKEN".to_owned(),
        }
    }
}

/// The values that the place of deployment gives, for all templates together.
pub type Settings = Map<String, Value>;

/// The partials of a folder, by name.
pub type Partials = BTreeMap<String, Arc<str>>;

/// Outcomes of blocks that are kept parsed, for each template.
const SHAPES: usize = 64;

/// A template that was loaded and checked.
#[derive(Debug)]
pub struct Template {
    name: String,
    source: Arc<str>,
    body_line: usize,
    front: FrontMatter,
    settings: Map<String, Value>,
    compiled: Compiled,
    digest: Digest,
    repository: Option<Arc<Repository>>,
    order: OnceLock<HashMap<String, usize>>,
    only_shape: OnceLock<Arc<Shape>>,
    shapes: RwLock<Shapes>,
}

#[derive(Debug, Default)]
struct Shapes {
    by_key: HashMap<String, Arc<Shape>>,
    order: VecDeque<String>,
}

impl Template {
    /// Loads a template from its text.
    ///
    /// # Errors
    /// Everything that is wrong with the front matter, the settings given to it, or the
    /// Handlebars text.
    pub fn load(name: &str, source: &str, partials: &Partials, settings: &Settings) -> Result<Self, LoadError> {
        let file: Arc<str> = format!("{name}.yaml").into();
        Self::try_load(name, source, &file, partials, settings)
            .map_err(|problems| LoadError { problems: problems.into_iter().map(|p| p.in_file(&file)).collect() })
    }

    fn try_load(
        name: &str,
        source: &str,
        file: &Arc<str>,
        partials: &Partials,
        settings: &Settings,
    ) -> Result<Self, Vec<Problem>> {
        if source.len() > Limit::TemplateSize.max() {
            let what = format!("the file has {} bytes", source.len());
            return Err(vec![Problem::limit(Limit::TemplateSize, what)]);
        }
        let parts = frontmatter::split(source).map_err(|problem| vec![problem])?;
        let front = parts.read()?;
        let settings = effective_settings(&front, settings)?;
        let compiled =
            compile::compile(parts.body, file, parts.body_line, &front.parameters, &front.settings, partials)?;
        let digest = Digest::of(source, &compiled.partials, partials, &settings);
        let body_line = parts.body_line;
        Ok(Self {
            name: name.to_owned(),
            source: source.into(),
            body_line,
            front,
            settings,
            compiled,
            digest,
            repository: None,
            order: OnceLock::new(),
            only_shape: OnceLock::new(),
            shapes: RwLock::default(),
        })
    }

    /// Ties the template to the git repository that its folder is in.
    #[must_use]
    pub(crate) fn in_repository(mut self, repository: Option<Arc<Repository>>) -> Self {
        self.repository = repository;
        self
    }

    /// Its name: the file's name without `.yaml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title, or its name where it has none.
    #[must_use]
    pub fn title(&self) -> &str {
        self.front.title.as_deref().unwrap_or(&self.name)
    }

    /// What it does.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.front.description.as_deref()
    }

    /// The JSON Schema of its parameters.
    #[must_use]
    pub fn schema(&self) -> &Value {
        self.front.parameters.root()
    }

    /// Its parameters, by name.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.front.parameters.parameters
    }

    /// The settings that it declares, by name.
    #[must_use]
    pub fn declared_settings(&self) -> &[Parameter] {
        &self.front.settings.parameters
    }

    /// The settings it was loaded with: given ones, then defaults.
    #[must_use]
    pub fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    /// Its examples: parameters by the example's name.
    #[must_use]
    pub fn examples(&self) -> &BTreeMap<String, Map<String, Value>> {
        &self.front.examples
    }

    /// The whole file.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where a key of the front matter stands among all of them, by its JSON Pointer, such as
    /// `/parameters/properties/day`: forms show parameters in the order in which the file declares them.
    #[must_use]
    pub fn order_of(&self, pointer: &str) -> Option<usize> {
        let order = self.order.get_or_init(|| {
            let head: usize =
                self.source.split_inclusive('\n').take(self.body_line.saturating_sub(2)).map(str::len).sum();
            key_order(&self.source[..head])
        });
        order.get(pointer).copied()
    }

    /// The line of the file on which the Job begins, from 1.
    #[must_use]
    pub fn body_line(&self) -> usize {
        self.body_line
    }

    /// SHA-256 over the file, the partials and the settings it uses, as `sha256:HEX`.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.as_str()
    }

    /// The commit of the template folder, where it is in git. The first call asks git.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.repository.as_ref().map(|repository| repository.provenance()).unwrap_or_default()
    }

    /// The names of the parameters that the Job's text uses.
    #[must_use]
    pub fn used_parameters(&self) -> BTreeSet<&str> {
        self.used(Root::Params)
    }

    /// The names of the settings that the Job's text uses.
    #[must_use]
    pub fn used_settings(&self) -> BTreeSet<&str> {
        self.used(Root::Settings)
    }

    fn used(&self, root: Root) -> BTreeSet<&str> {
        self.compiled.used.iter().filter(|(of, _)| *of == root).map(|(_, name)| name.as_str()).collect()
    }

    /// The names of the partials it is made of.
    #[must_use]
    pub fn used_partials(&self) -> &BTreeSet<String> {
        &self.compiled.partials
    }

    /// Coerces the given values, applies defaults and checks the result.
    ///
    /// # Errors
    /// Every fault, by path: unknown and missing parameters and every broken rule.
    pub fn check(&self, given: &Map<String, Value>) -> Result<Checked, Vec<Fault>> {
        params::check(&self.front.parameters, given, "parameter")
    }

    /// The parameters, to be checked without the template.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        Inputs(Arc::clone(&self.front.parameters))
    }

    /// Renders the manifest.
    ///
    /// # Errors
    /// Everything that is wrong with the manifest, each with its path and its line in the
    /// template where they are known. No error holds a secret.
    pub fn render(&self, checked: &Checked, context: &Context) -> Result<Rendered, RenderError> {
        self.try_render(checked, context).map_err(|problems| {
            let scrub = Scrub::of(checked);
            let problems = problems.into_iter().map(|problem| scrub.problem(problem).in_file(&self.file())).collect();
            RenderError { template: self.name.clone(), problems }
        })
    }

    /// What somebody else says of a manifest that this template gave, told as our own findings are: each fault at its
    /// place in the template, and no secret in any word. Faults are pairs of field path and message.
    #[must_use]
    pub fn review(
        &self,
        checked: &Checked,
        rendered: &Rendered,
        message: &str,
        faults: &[(String, String)],
    ) -> (String, Vec<Problem>) {
        let scrub = Scrub::of_manifest(checked, rendered);
        let problem = |(path, message): &(String, String)| Problem::new(Code::Invalid, message).on(path.as_str());
        // Which lines there are is for the parameters to say.
        let context = Context::example();
        let mut problems: Vec<Problem> = Vec::new();
        for problem in self.place_all(faults.iter().map(problem).collect(), &self.data(&checked.values, &context)) {
            let problem = scrub.problem(problem).in_file(&self.file());
            // The API server says some things twice.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        (scrub.text(message), problems)
    }

    fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }

    fn try_render(&self, checked: &Checked, context: &Context) -> Result<Rendered, Vec<Problem>> {
        let data = self.data(&checked.values, context);
        let shape = self.shape(&data).map_err(|problem| vec![problem])?;
        let sites = &self.compiled.sites;
        let manifest = shape.fill(sites, &data).map_err(|problem| vec![problem])?;
        if weight(&manifest) > Limit::RenderedSize.max() {
            let problem = Problem::limit(Limit::RenderedSize, "the manifest is too large");
            return Err(vec![problem]);
        }
        self.verify(&manifest).map_err(|problems| self.place_all(problems, &data))?;
        let masked = match &checked.masked {
            None => None,
            Some(masked) => {
                let data = self.data(masked, context);
                Some(shape.fill(sites, &data).map_err(|problem| vec![problem])?)
            }
        };
        Ok(Rendered::new(manifest, masked, self.digest.clone()))
    }

    /// Everything that Kubernetes would find wrong.
    fn verify(&self, manifest: &Value) -> Result<(), Vec<Problem>> {
        manifest::decode(manifest)?;
        let refused = validate::validate(manifest);
        if refused.is_empty() {
            return Ok(());
        }
        Err(refused.into_iter().map(|finding| Problem::new(Code::Invalid, finding.message).on(finding.path)).collect())
    }

    /// The manifest that these values give, whatever Kubernetes would say of it: for looking at where
    /// values go.
    pub(crate) fn fill_unchecked(&self, params: &Map<String, Value>, context: &Context) -> Result<Value, Problem> {
        let data = self.data(params, context);
        self.shape(&data)?.fill(&self.compiled.sites, &data)
    }

    /// The places in the template that fields of the manifest come from.
    pub(crate) fn places_of(
        &self,
        paths: &[&str],
        params: &Map<String, Value>,
        context: &Context,
    ) -> Vec<Option<Place>> {
        let Ok(traced) = expand(&self.compiled, &self.data(params, context), true) else {
            return vec![None; paths.len()];
        };
        let place = |path: &&str| {
            let (line, column) = locate(&traced.text, path)?;
            traced.place(line, column)
        };
        paths.iter().map(place).collect()
    }

    fn data<'a>(&'a self, params: &'a Map<String, Value>, context: &Context) -> Data<'a> {
        Data {
            params,
            settings: &self.settings,
            job_id: context.job_id.as_str().into(),
            job_name: context.job_name.as_str().into(),
            callback_url: context.callback_url.as_str().into(),
        }
    }

    /// The document that these values' blocks give: kept from an earlier render, or parsed.
    fn shape(&self, data: &Data<'_>) -> Result<Arc<Shape>, Problem> {
        if self.compiled.depends.is_empty() {
            if let Some(shape) = self.only_shape.get() {
                return Ok(Arc::clone(shape));
            }
            let shape = Arc::new(self.parse(data)?);
            return Ok(Arc::clone(self.only_shape.get_or_init(|| shape)));
        }
        let key = self.key(data);
        let kept = self.shapes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = kept.by_key.get(&key) {
            return Ok(Arc::clone(shape));
        }
        drop(kept);
        let shape = Arc::new(self.parse(data)?);
        let mut kept = self.shapes.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, &shape);
        Ok(shape)
    }

    /// Values of everything that blocks depend on, as text.
    fn key(&self, data: &Data<'_>) -> String {
        use std::fmt::Write as _;
        let mut key = String::new();
        for depends in &self.compiled.depends {
            match depends {
                Depends::Value(path) => match data.get(path, &[]) {
                    Some(value) => {
                        let _ = write!(key, "{value}");
                    }
                    None => key.push('-'),
                },
                Depends::Length(path) => {
                    let length = data.get(path, &[]).and_then(Value::as_array).map(Vec::len);
                    let _ = write!(key, "{}", length.unwrap_or_default());
                }
            }
            key.push(';');
        }
        key
    }

    fn parse(&self, data: &Data<'_>) -> Result<Shape, Problem> {
        let expanded = expand(&self.compiled, data, false)?;
        Shape::parse(&expanded).map_err(|error| {
            // Once more, noting where everything comes from: only errors need it.
            match expand(&self.compiled, data, true) {
                Ok(traced) => match Shape::parse(&traced) {
                    Err(error) => self.explain(error, &traced),
                    Ok(_) => self.explain(error, &expanded),
                },
                Err(problem) => problem,
            }
        })
    }

    fn explain(&self, error: ShapeError, expanded: &Expanded) -> Problem {
        match error {
            ShapeError::Yaml(error) => {
                let place = error.line.and_then(|line| expanded.place(line, error.column.unwrap_or(1)));
                let problem = match error.limit {
                    Some(_) => Problem::new(Code::Limit, error.message),
                    None => Problem::new(Code::Yaml, format!("not valid YAML: {}", error.message)),
                };
                problem.at(&place.unwrap_or_else(|| self.start()))
            }
            ShapeError::Documents(0) => {
                Problem::new(Code::Yaml, "there is no manifest below the front matter").at(&self.start())
            }
            ShapeError::Documents(n) => Problem::new(
                Code::Yaml,
                format!("a template gives exactly one document, this one gives {n}: another begins here"),
            )
            .at(&second_document(&expanded.text)
                .and_then(|line| expanded.place(line, 1))
                .unwrap_or_else(|| self.start())),
            ShapeError::Hole(hole, what) => {
                let site = &self.compiled.sites[expanded.holes[hole].site];
                Problem::new(
                    Code::Hole,
                    format!(
                        "`{{{{{}}}}}` stands in {what}, where no value may go: \
                         values are for scalars only",
                        site.text
                    ),
                )
                .at(&site.place)
            }
        }
    }

    fn start(&self) -> Place {
        Place { file: self.file().into(), line: self.body_line, column: 0 }
    }

    /// Finds each problem's line by the path it carries.
    fn place_all(&self, problems: Vec<Problem>, data: &Data<'_>) -> Vec<Problem> {
        let Ok(traced) = expand(&self.compiled, data, true) else {
            return problems;
        };
        problems
            .into_iter()
            .map(|problem| {
                let place = problem
                    .path
                    .as_deref()
                    .and_then(|path| locate(&traced.text, path))
                    .and_then(|(line, column)| traced.place(line, column));
                problem.at(&place.unwrap_or_else(|| self.start()))
            })
            .collect()
    }
}

impl Shapes {
    fn insert(&mut self, key: String, shape: &Arc<Shape>) {
        if self.by_key.insert(key.clone(), Arc::clone(shape)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > SHAPES {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

/// The line, from 1, of the `---` with which a second document begins.
fn second_document(text: &str) -> Option<usize> {
    let mut begun = false;
    for (index, line) in text.lines().enumerate() {
        if begun && line.starts_with("---") {
            return Some(index + 1);
        }
        let content = line.trim_start();
        begun |= !content.is_empty() && !content.starts_with('#') && !line.starts_with("---");
    }
    None
}

/// The settings that the template declares, out of all that were given.
fn effective_settings(front: &FrontMatter, given: &Settings) -> Result<Settings, Vec<Problem>> {
    let declared: Map<String, Value> = given
        .iter()
        .filter(|(name, _)| front.settings.get(name).is_some())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    params::check(&front.settings, &declared, "setting").map(|checked| checked.values).map_err(|faults| {
        faults
            .into_iter()
            .map(|fault| {
                let hint = format!("give it with `--set {}=VALUE`", fault.path);
                Problem::new(Code::Setting, format!("{}; {hint}", fault.told())).on(format!("settings.{}", fault.path))
            })
            .collect()
    })
}
