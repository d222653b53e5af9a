# Asks the program itself, which knows best.
source <(trunkline completions bash)
