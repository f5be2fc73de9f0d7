"""The desktop's icon: what it shows (`menu`, `notices`), how (`icon`, `artwork`, `clipboard`), and why not (`availability`)."""
