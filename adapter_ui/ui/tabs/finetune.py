import gradio as gr
def finetune_tab(service, page):
    gr.Markdown("later")
