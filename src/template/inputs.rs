//! The parameters of a template that is elsewhere: what a client knows of a template on a server.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::params::{self, Checked};
use super::problem::{Fault, Problem};
use super::schema::{Parameter, Schema, resolve};

/// Declared parameters, which values can be checked against without the template.
#[derive(Debug, Clone)]
pub struct Inputs(pub(super) Arc<Schema>);

impl Inputs {
    /// Reads a template's `parameters`.
    ///
    /// # Errors
    /// Everything in the schema that is not as this program knows it.
    pub fn new(schema: Value) -> Result<Self, Vec<Problem>> {
        Schema::parameters(schema).map(Self)
    }

    /// The parameters, by name.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.0.parameters
    }

    /// Checks values as a launch does.
    ///
    /// # Errors
    /// Every fault, by path.
    pub fn check(&self, given: &Map<String, Value>) -> Result<Checked, Vec<Fault>> {
        params::check(&self.0, given, "parameter")
    }

    /// A parameter's schema without references.
    #[must_use]
    pub fn schema_of<'a>(&'a self, parameter: &'a Parameter) -> &'a Value {
        resolve(self.0.root(), &parameter.schema)
    }
}
