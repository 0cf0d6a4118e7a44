#pragma once

#include "serve/api_error.hpp"

namespace gyre::serve {

/// The schemas of what requests take and of what they are answered, by their names.
Json openapi_schemas();

/// The document of all endpoints, in the form of OpenAPI 3.1.
Json openapi_document();

}  // namespace gyre::serve
