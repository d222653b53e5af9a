# Asks the program itself, which knows best.
trunkline completions fish | source
