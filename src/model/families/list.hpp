#pragma once

#include "model/families.hpp"

// One a file in this folder, each with a namespace of its own, since all of them say keys(), map() and the like;
// families.cpp lists them.
namespace gyre::raven {
Family family();
}
namespace gyre::ouro {
Family family();
}
namespace gyre::parcae {
Family family();
}
namespace gyre::nanochat {
Family family();
}
namespace gyre::nanbeige {
Family family();
}
namespace gyre::hrm_text {
Family family();
}
namespace gyre::llama {
Family family();
}
namespace gyre::qwen2 {
Family family();
}
namespace gyre::qwen3 {
Family family();
}
namespace gyre::olmo2 {
Family family();
}
namespace gyre::gpt2 {
Family family();
}
namespace gyre::gemma3 {
Family family();
}
namespace gyre::mistral {
Family family();
}
namespace gyre::phi3 {
Family family();
}
namespace gyre::raven_training {
Family family();
}
namespace gyre::base_loop {
Family family();
}
namespace gyre::attractor {
Family family();
}
namespace gyre::loopus {
Family family();
}
namespace gyre::iquestloopcoder {
Family family();
}
namespace gyre::bert {
Family family();
}
namespace gyre::xlm_roberta {
Family family();
}
